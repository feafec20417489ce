// Signs the CDN's own requests to the private bucket (AWS Signature Version 4), as CloudFront's origin access control does.

import config from 'config.js';
import hashing from 'crypto';

const PAYLOAD = 'UNSIGNED-PAYLOAD';
const SIGNED = 'host;x-amz-content-sha256;x-amz-date';

function date(r) {
    return new Date().toISOString().replace(/[:-]|\.[0-9]{3}/g, '');
}

function authorization(r) {
    const at = r.variables.s3_date;
    const scope = at.slice(0, 8) + '/' + config.s3.region + '/s3/aws4_request';
    const asked = ['GET', '/' + config.s3.bucket + r.uri, '', 'host:' + config.s3.host, 'x-amz-content-sha256:' + PAYLOAD,
        'x-amz-date:' + at, '', SIGNED, PAYLOAD].join('\n');
    const digest = hashing.createHash('sha256').update(asked).digest('hex');
    const text = ['AWS4-HMAC-SHA256', at, scope, digest].join('\n');
    let key = 'AWS4' + config.s3.secret;
    const steps = scope.split('/').concat([text]);
    for (let i = 0; i < steps.length; i++) {
        key = hashing.createHmac('sha256', key).update(steps[i]).digest(i === steps.length - 1 ? 'hex' : undefined);
    }
    return 'AWS4-HMAC-SHA256 Credential=' + config.s3.access + '/' + scope + ', SignedHeaders=' + SIGNED
        + ', Signature=' + key;
}

export default { date, authorization };
