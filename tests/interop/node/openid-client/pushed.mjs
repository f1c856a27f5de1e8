import assert from 'node:assert/strict'

import * as oidc from 'openid-client'

import { follow } from '../person.mjs'
import { connect, prepare } from './connect.mjs'

export default async function (config) {
  const as = await connect(config)
  const asked = await prepare(config)

  const url = await oidc.buildAuthorizationUrlWithPAR(as, asked.parameters)
  assert.deepEqual([...url.searchParams.keys()].sort(), ['client_id', 'request_uri'])
  const tokens = await oidc.authorizationCodeGrant(as, await follow(config, url), asked.checks)

  assert.equal(tokens.claims().aud, config.client.client_id)
}
