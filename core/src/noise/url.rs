//! `stratum2+tcp://host:port/authority-key` (spec 4.7).

use core::fmt;
use core::net::Ipv6Addr;

use super::keys::{AuthorityPublicKey, KeyError};

const SCHEME: &str = "stratum2+tcp://";

/// Where a server listens, and whose certificate it will show.
///
/// ```
/// use sv2_core::noise::AuthorityUrl;
///
/// let url = AuthorityUrl::parse(
///     "stratum2+tcp://thepool.com:34254/9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh",
/// )?;
/// assert_eq!((url.host, url.port), ("thepool.com", 34254));
/// assert!(url.authority_key.is_some());
/// # Ok::<(), sv2_core::noise::UrlError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorityUrl<'a> {
    /// A name, an IPv4 address, or an IPv6 address, here without the brackets that it has in the URL.
    pub host: &'a str,
    /// TCP port, never 0 in a parsed URL.
    pub port: u16,
    /// The authority's public key, `None` if the URL has none.
    pub authority_key: Option<AuthorityPublicKey>,
}

/// Which part of a URL is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// It does not begin with `stratum2+tcp://`.
    Scheme,
    /// The host is empty, has a character that no host has, or is a bad `[IPv6]` literal.
    Host,
    /// There is no port, or not a number from 1 to 65535.
    Port,
    /// There is a path, but it is not an authority's public key.
    Key(KeyError),
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => write!(f, "the URL does not begin with {SCHEME}"),
            Self::Host => f.write_str("the URL has no valid host"),
            Self::Port => f.write_str("the URL has no valid port"),
            Self::Key(error) => write!(f, "the authority key of the URL is wrong: {error}"),
        }
    }
}

impl core::error::Error for UrlError {}

impl<'a> AuthorityUrl<'a> {
    /// Reads a URL, with nothing around it. The scheme may be in capitals; the key may be missing, with or without
    /// the slash before it.
    ///
    /// # Errors
    /// [`UrlError`], from left to right.
    pub fn parse(url: &'a str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_at_checked(SCHEME.len()).ok_or(UrlError::Scheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(UrlError::Scheme);
        }
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = split_address(address)?;
        let authority_key = match path {
            "" => None,
            key => Some(AuthorityPublicKey::parse(key).map_err(UrlError::Key)?),
        };
        Ok(Self { host, port: parse_port(port)?, authority_key })
    }
}

impl fmt::Display for AuthorityUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{SCHEME}{open}{}{close}:{}", self.host, self.port)?;
        match self.authority_key {
            Some(key) => write!(f, "/{key}"),
            None => Ok(()),
        }
    }
}

/// Host and port of `host:port` or `[v6]:port`, both still text.
fn split_address(address: &str) -> Result<(&str, &str), UrlError> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or(UrlError::Host)?;
        host.parse::<Ipv6Addr>().map_err(|_| UrlError::Host)?;
        return Ok((host, port.strip_prefix(':').ok_or(UrlError::Port)?));
    }
    let (host, port) = address.split_once(':').unwrap_or((address, ""));
    let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if host.is_empty() || !host.bytes().all(is_host_byte) {
        return Err(UrlError::Host);
    }
    Ok((host, port))
}

fn parse_port(port: &str) -> Result<u16, UrlError> {
    // `parse` would also take a sign.
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UrlError::Port);
    }
    port.parse().ok().filter(|&port| port != 0).ok_or(UrlError::Port)
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
