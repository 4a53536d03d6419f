//! Authority URLs and base58check keys: what is read is written again as the same text, give or take the URL's
//! scheme in capitals, a slash without a key, and leading zeros of the port.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sv2_core::noise::{AuthorityPublicKey, AuthorityUrl};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(key) = AuthorityPublicKey::parse(text) {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(url) = AuthorityUrl::parse(text) {
        let written = url.to_string();
        assert_eq!(AuthorityUrl::parse(&written), Ok(url));
        assert!(written.len() <= text.len());
    }

    // Most inputs fail at the checksum: make keys that pass it, too.
    if let Some(bytes) = data.first_chunk()
        && let Ok(key) = AuthorityPublicKey::from_bytes(bytes)
    {
        assert_eq!(AuthorityPublicKey::parse(&key.to_string()), Ok(key));
    }
});
