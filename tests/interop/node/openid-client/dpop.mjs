import assert from 'node:assert/strict'

import * as oidc from 'openid-client'

import { connect, signIn } from './connect.mjs'

/** A public client whose tokens are worth nothing without its key; the library minds the nonces. */
export default async function (config) {
  const as = await connect(config)
  const DPoP = oidc.getDPoPHandle(as, await oidc.randomDPoPKeyPair(config.algorithm))
  const thumbprint = await DPoP.calculateThumbprint()

  const tokens = await signIn(config, as, {
    parameters: { dpop_jkt: thumbprint },
    options: { DPoP },
  })
  assert.equal(tokens.token_type, 'dpop')
  const { sub } = tokens.claims()
  const person = await oidc.fetchUserInfo(as, tokens.access_token, sub, { DPoP })
  assert.equal(person.email, config.email)
  await assert.rejects(oidc.fetchUserInfo(as, tokens.access_token, sub), { status: 401 })

  const thief = oidc.getDPoPHandle(as, await oidc.randomDPoPKeyPair())
  await assert.rejects(oidc.fetchUserInfo(as, tokens.access_token, sub, { DPoP: thief }), {
    status: 401,
  })
  await assert.rejects(
    oidc.refreshTokenGrant(as, tokens.refresh_token, undefined, { DPoP: thief }),
    { status: 400 },
  )
  const refreshed = await oidc.refreshTokenGrant(as, tokens.refresh_token, undefined, { DPoP })
  assert.equal(refreshed.token_type, 'dpop')
  return { thumbprint, access_token: refreshed.access_token }
}
