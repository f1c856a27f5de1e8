import assert from 'node:assert/strict'

import * as oauth from 'oauth4webapi'

import { authenticate, discover, insecure } from './connect.mjs'

export default async function (config) {
  const as = await discover(config)
  const { client } = config
  const keys = await oauth.generateKeyPair('ES256')
  const DPoP = oauth.DPoP(client, keys)
  const request = async () =>
    oauth.processClientCredentialsResponse(
      as,
      client,
      await oauth.clientCredentialsGrantRequest(
        as,
        client,
        authenticate(client),
        { scope: config.scope, resource: config.resource },
        { DPoP, ...insecure },
      ),
    )

  // RFC 9449 §8: the first proof has no nonce, and is told the one to use.
  await assert.rejects(request(), (error) => {
    assert.equal(oauth.isDPoPNonceError(error), true)
    assert.equal(error.status, 400)
    return true
  })
  const tokens = await request()
  assert.equal(tokens.token_type, 'dpop')
  assert.ok(as.dpop_signing_alg_values_supported.includes('ES256'))
  return { thumbprint: await DPoP.calculateThumbprint(), access_token: tokens.access_token }
}
