import assert from 'node:assert/strict'

import * as oidc from 'openid-client'

import { follow } from '../person.mjs'
import { connect, prepare } from './connect.mjs'

export default async function (config) {
  const as = await connect(config)
  const asked = await prepare(config, { prompt: 'consent' })

  const returned = await follow(config, oidc.buildAuthorizationUrl(as, asked.parameters), 'deny')

  // The library checks `iss` (RFC 9207) and `state` before it believes the error.
  await assert.rejects(oidc.authorizationCodeGrant(as, returned, asked.checks), {
    name: 'AuthorizationResponseError',
    error: 'access_denied',
  })
}
