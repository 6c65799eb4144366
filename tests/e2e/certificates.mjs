// Certificates, made by OpenSSL when a test asks for them.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';

export const SVID = [
  'basicConstraints=critical,CA:FALSE',
  'keyUsage=critical,digitalSignature',
  'extendedKeyUsage=serverAuth,clientAuth',
];
export const AUTHORITY = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];

/** What a server shows that is reached by its address. */
export const SERVER = ['basicConstraints=critical,CA:FALSE', 'extendedKeyUsage=serverAuth'];

/** Makes `name.crt` and `name.key` in `cwd`, signed by `issuer` or by itself. */
export function certificate(cwd, name, { issuer, san, extensions = SVID, days = 7 }) {
  const files = { cert: path.join(cwd, `${name}.crt`), key: path.join(cwd, `${name}.key`) };
  const openssl = (...args) => execFileSync('openssl', args, { cwd, stdio: 'pipe' });
  openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', files.key);
  const subj = `/CN=${name}`;
  const added = san ? [...extensions, `subjectAltName=${san}`] : extensions;
  if (!issuer) {
    const all = added.flatMap((each) => ['-addext', each]);
    const made = ['-key', files.key, '-out', files.cert, '-subj', subj, '-days', '30'];
    openssl('req', '-x509', '-new', ...made, ...all);
    return files;
  }
  openssl('req', '-new', '-key', files.key, '-subj', subj, '-out', `${name}.csr`);
  writeFileSync(path.join(cwd, `${name}.ext`), added.join('\n') + '\n');
  const by = ['-CA', issuer.cert, '-CAkey', issuer.key, '-CAcreateserial'];
  const asked = ['-in', `${name}.csr`, '-extfile', `${name}.ext`, '-days', String(days)];
  openssl('x509', '-req', ...asked, ...by, '-out', files.cert);
  return files;
}
