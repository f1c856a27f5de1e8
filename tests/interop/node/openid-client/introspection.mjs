import assert from 'node:assert/strict'

import * as oidc from 'openid-client'

import { connect } from './connect.mjs'

export default async function (config) {
  const as = await connect(config)

  const live = await oidc.tokenIntrospection(as, config.token)
  const unknown = await oidc.tokenIntrospection(as, config.unknown_token)

  assert.deepEqual(unknown, { active: false })
  assert.equal(live.active, true)
  return live
}
