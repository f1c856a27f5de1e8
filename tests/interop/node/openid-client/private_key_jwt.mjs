import assert from 'node:assert/strict'

import * as oidc from 'openid-client'

import { connect, signIn } from './connect.mjs'

const IMPORTS = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
}

/** The client proves itself by a key at every endpoint that asks who it is. */
export default async function (config) {
  const { kid, alg } = config.private_key
  const parameters = IMPORTS[alg]
  const key = await crypto.subtle.importKey('jwk', config.private_key, parameters, false, ['sign'])
  const as = await connect(config, oidc.PrivateKeyJwt({ key, kid }))

  const tokens = await signIn(config, as)
  const refreshed = await oidc.refreshTokenGrant(as, tokens.refresh_token)
  await oidc.tokenRevocation(as, refreshed.refresh_token)

  await assert.rejects(oidc.refreshTokenGrant(as, refreshed.refresh_token), {
    error: 'invalid_grant',
  })
}
