// Whether a request may pass: CloudFront's signed addresses, canned and custom policies, as its Developer Guide describes
// them ("Use signed URLs"). Run by nginx for every request to a signed path, as its auth_request.

import config from 'config.js';

const OURS = ['Expires', 'Policy', 'Signature', 'Key-Pair-Id'];
// What nginx would decode or collapse is not signed as it will be served: only paths that stay as they are may pass.
const PLAIN_PATH = /^(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$/;

async function verify(r) {
    const refused = await refusal(r);
    if (refused === null) {
        r.return(204);
        return;
    }
    r.headersOut['X-Refused'] = refused;
    r.return(403);
}

async function refusal(r) {
    const address = r.variables.request_uri;
    const cut = address.indexOf('?');
    const path = cut < 0 ? address : address.slice(0, cut);
    if (!PLAIN_PATH.test(path)) {
        return 'AccessDenied';
    }
    const query = parse(cut < 0 ? '' : address.slice(cut + 1));
    if (query === null) {
        return 'AccessDenied';
    }
    const said = query.ours;
    if (said['Key-Pair-Id'] === undefined) {
        return 'MissingKey';
    }
    if (said.Signature === undefined || (said.Policy === undefined) === (said.Expires === undefined)) {
        return 'AccessDenied';
    }
    const url = config.base + path + (query.rest ? '?' + query.rest : '');
    const text = said.Policy === undefined ? canned(url, said.Expires) : decoded(said.Policy);
    if (text === null || !(await isSigned(text, said.Signature, said['Key-Pair-Id']))) {
        return 'AccessDenied';
    }
    return permits(text, url, r.variables.remote_addr) ? null : 'AccessDenied';
}

// The parameters of CloudFront, each at most once, and the others as they stand, which are part of the address.
function parse(query) {
    const ours = {};
    const rest = [];
    const parts = query === '' ? [] : query.split('&');
    for (let i = 0; i < parts.length; i++) {
        const equals = parts[i].indexOf('=');
        const name = equals < 0 ? parts[i] : parts[i].slice(0, equals);
        if (OURS.indexOf(name) < 0) {
            rest.push(parts[i]);
        } else if (ours[name] !== undefined || equals < 0) {
            return null;
        } else {
            ours[name] = parts[i].slice(equals + 1);
        }
    }
    return { ours: ours, rest: rest.join('&') };
}

function canned(url, expires) {
    if (!/^[0-9]{1,12}$/.test(expires)) {
        return null;
    }
    return '{"Statement":[{"Resource":"' + url + '","Condition":{"DateLessThan":{"AWS:EpochTime":' + expires + '}}}]}';
}

// CloudFront's own base64: + = / are - _ ~.
function decoded(text) {
    return Buffer.from(standard(text), 'base64').toString();
}

function standard(text) {
    return text.replace(/-/g, '+').replace(/_/g, '=').replace(/~/g, '/');
}

async function isSigned(text, signature, keyId) {
    const known = Object.keys(config.keys).indexOf(keyId) < 0 ? undefined : config.keys[keyId];
    if (known === undefined || !/^[A-Za-z0-9_~-]+$/.test(signature)) {
        return false;
    }
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-1' };
    const key = await crypto.subtle.importKey('spki', Buffer.from(known, 'base64'), algorithm, false, ['verify']);
    return await crypto.subtle.verify(algorithm, key, Buffer.from(standard(signature), 'base64'), Buffer.from(text));
}

function permits(text, url, from) {
    let policy;
    try {
        policy = JSON.parse(text);
    } catch (e) {
        return false;
    }
    const statements = policy === null || typeof policy !== 'object' ? undefined : policy.Statement;
    if (!Array.isArray(statements) || statements.length !== 1 || statements[0] === null) {
        return false;
    }
    const conditions = statements[0].Condition;
    if (conditions === null || typeof conditions !== 'object') {
        return false;
    }
    const now = Math.floor(Date.now() / 1000);
    const until = moment(conditions.DateLessThan);
    const since = conditions.DateGreaterThan === undefined ? 0 : moment(conditions.DateGreaterThan);
    return until !== null && now < until && since !== null && now > since - 1
        && covers(statements[0].Resource, url)
        && (conditions.IpAddress === undefined || comesFrom(conditions.IpAddress['AWS:SourceIp'], from));
}

function moment(condition) {
    const at = condition === null || typeof condition !== 'object' ? undefined : condition['AWS:EpochTime'];
    return typeof at === 'number' && at === Math.floor(at) ? at : null;
}

// `*` is any number of characters, `?` exactly one. A policy without a Resource covers what its key covers.
function covers(resource, url) {
    if (resource === undefined) {
        return true;
    }
    if (typeof resource !== 'string') {
        return false;
    }
    const pattern = resource.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*+/g, '.*').replace(/\?/g, '.');
    return new RegExp('^' + pattern + '$').test(url);
}

// IPv4, an address or a range in CIDR notation.
function comesFrom(range, from) {
    if (typeof range !== 'string') {
        return false;
    }
    const parts = range.split('/');
    const bits = parts.length === 1 ? 32 : /^[0-9]{1,2}$/.test(parts[1]) ? Number(parts[1]) : 33;
    const network = number(parts[0]);
    const address = number(from);
    if (parts.length > 2 || bits > 32 || network === null || address === null) {
        return false;
    }
    const size = Math.pow(2, 32 - bits);
    return Math.floor(network / size) === Math.floor(address / size);
}

function number(address) {
    const found = /^([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})$/.exec(address);
    if (found === null) {
        return null;
    }
    let sum = 0;
    for (let i = 1; i <= 4; i++) {
        if (Number(found[i]) > 255) {
            return null;
        }
        sum = sum * 256 + Number(found[i]);
    }
    return sum;
}

// The query as the origin sees it: without what was for CloudFront alone.
function rest(r) {
    const query = parse(r.variables.args || '');
    return query === null ? '' : query.rest;
}

// What a viewer who may not pass is told, in CloudFront's words.
function refused(r) {
    const missing = r.variables.refused === 'MissingKey';
    const text = missing ? 'Missing Key-Pair-Id query parameter or cookie value' : 'Access denied';
    r.headersOut['Content-Type'] = 'text/xml';
    r.headersOut['Cache-Control'] = 'no-store';
    r.return(403, '<?xml version="1.0" encoding="UTF-8"?><Error><Code>' + (missing ? 'MissingKey' : 'AccessDenied')
        + '</Code><Message>' + text + '</Message></Error>');
}

export default { verify, rest, refused };
