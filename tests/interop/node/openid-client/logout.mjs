import * as oidc from 'openid-client'

import { follow } from '../person.mjs'
import { connect, signIn } from './connect.mjs'

export default async function (config) {
  const as = await connect(config)
  const tokens = await signIn(config, as)

  const url = oidc.buildEndSessionUrl(as, {
    post_logout_redirect_uri: config.client.post_logout_redirect_uris[0],
    id_token_hint: tokens.id_token,
    state: 'after-logout',
  })

  return String(await follow(config, url))
}
