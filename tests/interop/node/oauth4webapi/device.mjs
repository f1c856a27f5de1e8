import assert from 'node:assert/strict'

import * as oauth from 'oauth4webapi'

import { enterCode } from '../person.mjs'
import { authenticate, discover, insecure } from './connect.mjs'

export default async function (config) {
  const as = await discover(config)
  const auth = authenticate(config.client)
  const device = await oauth.processDeviceAuthorizationResponse(
    as,
    config.client,
    await oauth.deviceAuthorizationRequest(
      as,
      config.client,
      auth,
      { scope: config.scope, resource: config.resource },
      insecure,
    ),
  )
  const poll = async () =>
    oauth.processDeviceCodeResponse(
      as,
      config.client,
      await oauth.deviceCodeGrantRequest(as, config.client, auth, device.device_code, insecure),
    )

  await assert.rejects(poll(), { error: 'authorization_pending', status: 400 })
  await assert.rejects(poll(), { error: 'slow_down', status: 400 })
  await enterCode(config, device.verification_uri_complete, device.user_code, 'deny')
  await new Promise((resolve) => setTimeout(resolve, (device.interval + 5) * 1000))
  await assert.rejects(poll(), { error: 'access_denied', status: 400 })
}
