import assert from 'node:assert/strict'

import * as oidc from 'openid-client'

import { enterCode } from '../person.mjs'
import { connect } from './connect.mjs'

export default async function (config) {
  const as = await connect(config)
  const device = await oidc.initiateDeviceAuthorization(as, {
    scope: config.scope,
    resource: config.resource,
  })
  assert.ok(device.verification_uri_complete.includes(device.user_code))

  await enterCode(config, device.verification_uri, device.user_code)
  const tokens = await oidc.pollDeviceAuthorizationGrant(as, device)

  const { sub } = tokens.claims()
  const person = await oidc.fetchUserInfo(as, tokens.access_token, sub)
  assert.equal(person.email, config.email)
  const refreshed = await oidc.refreshTokenGrant(as, tokens.refresh_token)
  assert.equal(refreshed.scope, tokens.scope)
}
