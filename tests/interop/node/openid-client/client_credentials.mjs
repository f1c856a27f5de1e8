import assert from 'node:assert/strict'

import * as oidc from 'openid-client'

import { connect } from './connect.mjs'

const METHODS = {
  client_secret_basic: oidc.ClientSecretBasic,
  client_secret_post: oidc.ClientSecretPost,
}

export default async function (config) {
  const auth = METHODS[config.client.token_endpoint_auth_method](config.client.client_secret)
  const as = await connect(config, auth)

  const tokens = await oidc.clientCredentialsGrant(as, {
    scope: config.scope,
    resource: config.resource,
  })

  assert.equal(tokens.token_type, 'bearer')
  assert.equal(tokens.scope, config.scope)
  assert.equal(tokens.refresh_token, undefined)
  return tokens.access_token
}
