import assert from 'node:assert/strict'

import * as oidc from 'openid-client'

import { signIn } from './connect.mjs'

export default async function (config) {
  const metadata = {
    client_name: 'Registered by openid-client',
    redirect_uris: ['https://client.interop.example/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_basic',
  }

  const as = await oidc.dynamicClientRegistration(
    new URL(config.issuer),
    metadata,
    (server, client, body, headers) =>
      oidc.ClientSecretBasic(client.client_secret)(server, client, body, headers),
    {
      initialAccessToken: config.initial_access_token,
      execute: [oidc.allowInsecureRequests],
    },
  )

  const registered = as.clientMetadata()
  for (const [member, value] of Object.entries(metadata)) {
    assert.deepEqual(registered[member], value, member)
  }
  assert.equal(typeof registered.client_secret_expires_at, 'number')
  const tokens = await signIn({ ...config, client: registered }, as)
  assert.ok(tokens.claims().sub)
}
