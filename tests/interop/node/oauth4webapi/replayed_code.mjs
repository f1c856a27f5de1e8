import assert from 'node:assert/strict'

import * as oauth from 'oauth4webapi'

import { ask, discover, insecure, redeem } from './connect.mjs'

export default async function (config) {
  const as = await discover(config)
  const asked = await ask(config, as)
  const tokens = await redeem(config, as, asked)

  await assert.rejects(redeem(config, as, asked), { error: 'invalid_grant', status: 400 })

  // RFC 6749 §4.1.2: the replay revokes what the code had brought.
  const gone = await oauth.userInfoRequest(as, config.client, tokens.access_token, insecure)
  assert.equal(gone.status, 401)
}
