import assert from 'node:assert/strict'

import * as oidc from 'openid-client'

import { connect, signIn } from './connect.mjs'

export default async function (config) {
  const as = await connect(config)
  const first = await signIn(config, as)
  assert.ok(first.refresh_token, 'offline_access brings a refresh token')

  const second = await oidc.refreshTokenGrant(as, first.refresh_token)

  assert.notEqual(second.access_token, first.access_token)
  assert.notEqual(second.refresh_token, first.refresh_token)
  const { sub } = second.claims() ?? first.claims()
  await oidc.fetchUserInfo(as, second.access_token, sub)
  return { first: first.refresh_token, second: second.refresh_token }
}
