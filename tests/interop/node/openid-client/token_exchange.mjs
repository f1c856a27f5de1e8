import assert from 'node:assert/strict'

import * as oidc from 'openid-client'

import { connect } from './connect.mjs'

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

export default async function (config) {
  const as = await connect(config)
  const exchange = (scope) =>
    oidc.genericGrantRequest(as, 'urn:ietf:params:oauth:grant-type:token-exchange', {
      subject_token: config.subject_token,
      subject_token_type: ACCESS_TOKEN,
      resource: config.resource,
      scope,
    })

  const tokens = await exchange(config.scope)
  assert.equal(tokens.issued_token_type, ACCESS_TOKEN)
  assert.equal(tokens.scope, config.scope)
  assert.equal(tokens.refresh_token, undefined)
  await assert.rejects(exchange(config.scope_beyond), { error: 'invalid_scope', status: 400 })
  return tokens.access_token
}
