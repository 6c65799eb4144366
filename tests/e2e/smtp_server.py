# A mail server on loopback, by aiosmtpd: one mail a line of JSON on stdout, behind its port.
#   smtp_server.py tls|starttls|plain CERT KEY [USER PASSWORD] [--refuse N]
# With USER whoever sends has to sign in; the first N mails are refused for now.
import argparse
import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Keeper:
    def __init__(self, refuse):
        self.left = refuse

    async def handle_DATA(self, server, session, envelope):
        refused = self.left > 0
        self.left -= 1
        print(json.dumps({
            'refused': refused,
            'from': envelope.mail_from,
            'to': envelope.rcpt_tos,
            'tls': session.ssl is not None,
            'user': session.auth_data,
            'text': envelope.content.decode('utf-8'),
        }), flush=True)
        return '451 try again later' if refused else '250 OK'


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('kind')
    parser.add_argument('cert')
    parser.add_argument('key')
    parser.add_argument('user', nargs='?')
    parser.add_argument('password', nargs='?')
    parser.add_argument('--refuse', type=int, default=0)
    options = parser.parse_args()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options.cert, options.key)

    def authenticate(server, session, envelope, mechanism, data):
        login, password = data.login.decode(), data.password.decode()
        good = (login, password) == (options.user, options.password)
        return AuthResult(success=good, handled=False, auth_data=login)

    keeper = Keeper(options.refuse)

    def serve():
        return SMTP(
            keeper,
            hostname='mail.test',
            loop=loop,
            tls_context=context if options.kind == 'starttls' else None,
            require_starttls=options.kind == 'starttls',
            authenticator=authenticate,
            auth_required=options.user is not None,
            auth_require_tls=options.kind != 'tls',
        )

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    over = context if options.kind == 'tls' else None
    server = loop.run_until_complete(loop.create_server(serve, '127.0.0.1', 0, ssl=over))
    print(json.dumps({'port': server.sockets[0].getsockname()[1]}), flush=True)
    loop.run_forever()


sys.exit(main())
