import assert from 'node:assert/strict'

import * as oidc from 'openid-client'

import { connect, signIn } from './connect.mjs'

export default async function (config) {
  const as = await connect(config)
  const tokens = await signIn(config, as)
  const { sub } = tokens.claims()

  await oidc.tokenRevocation(as, tokens.refresh_token, { token_type_hint: 'refresh_token' })

  await assert.rejects(oidc.refreshTokenGrant(as, tokens.refresh_token), {
    error: 'invalid_grant',
  })
  // RFC 7009 §2.1: with the refresh token goes what was issued on the same grant.
  await assert.rejects(oidc.fetchUserInfo(as, tokens.access_token, sub), { status: 401 })
}
