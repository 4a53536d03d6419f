use alloc::string::ToString;

use super::*;

const KEY: &str = "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh";

fn parse(url: &str) -> Result<(&str, u16, bool), UrlError> {
    AuthorityUrl::parse(url).map(|url| (url.host, url.port, url.authority_key.is_some()))
}

#[test]
fn the_specifications_url_is_read_and_written() {
    let text = "stratum2+tcp://thepool.com:34254/9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh";
    let url = AuthorityUrl::parse(text).unwrap();
    assert_eq!((url.host, url.port), ("thepool.com", 34254));
    assert_eq!(url.authority_key, Some(KEY.parse().unwrap()));
    assert_eq!(url.to_string(), text);
}

#[test]
fn the_key_may_be_missing() {
    assert_eq!(parse("stratum2+tcp://pool.example:1"), Ok(("pool.example", 1, false)));
    assert_eq!(parse("stratum2+tcp://pool.example:1/"), Ok(("pool.example", 1, false)));
    let url = AuthorityUrl::parse("STRATUM2+TCP://10.0.0.7:65535/").unwrap();
    assert_eq!(url.to_string(), "stratum2+tcp://10.0.0.7:65535");
}

#[test]
fn an_ipv6_host_stands_in_brackets() {
    let text = alloc::format!("stratum2+tcp://[2001:db8::7]:8442/{KEY}");
    let url = AuthorityUrl::parse(&text).unwrap();
    assert_eq!((url.host, url.port), ("2001:db8::7", 8442));
    assert_eq!(url.to_string(), text);
}

#[test]
fn each_part_is_refused_with_its_own_error() {
    for (url, error) in [
        ("", UrlError::Scheme),
        ("stratum2+tcp:/", UrlError::Scheme),
        ("stratum+tcp://pool.example:1", UrlError::Scheme),
        (" stratum2+tcp://pool.example:1", UrlError::Scheme),
        ("stratum2+tcp:/é", UrlError::Scheme),
        ("stratum2+tcp://", UrlError::Host),
        ("stratum2+tcp://:1", UrlError::Host),
        ("stratum2+tcp:///", UrlError::Host),
        ("stratum2+tcp://po ol:1", UrlError::Host),
        ("stratum2+tcp://user@pool:1", UrlError::Host),
        ("stratum2+tcp://pööl:1", UrlError::Host),
        ("stratum2+tcp://[::1:1", UrlError::Host),
        ("stratum2+tcp://[pool]:1", UrlError::Host),
        ("stratum2+tcp://[]:1", UrlError::Host),
        ("stratum2+tcp://pool", UrlError::Port),
        ("stratum2+tcp://pool:", UrlError::Port),
        ("stratum2+tcp://pool:0", UrlError::Port),
        ("stratum2+tcp://pool:65536", UrlError::Port),
        ("stratum2+tcp://pool:+80", UrlError::Port),
        ("stratum2+tcp://2001:db8::7:8442", UrlError::Port),
        ("stratum2+tcp://[::1]", UrlError::Port),
        ("stratum2+tcp://[::1]8442", UrlError::Port),
        ("stratum2+tcp://pool:1/9bX", UrlError::Key(KeyError::Length)),
        ("stratum2+tcp://pool:1//", UrlError::Key(KeyError::Character { at: 0 })),
        ("stratum2+tcp://pool:1/9bX?x=1", UrlError::Key(KeyError::Character { at: 3 })),
    ] {
        assert_eq!(parse(url), Err(error), "{url}");
    }
}
