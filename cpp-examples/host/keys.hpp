// The provider's keys: two files in the data directory, where sv2-tp has them and as it writes them.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include <sv2.hpp>

namespace host {

// The authority's key signs certificates for the static key, which the Noise handshake shows.
struct Keys {
    sv2::SecretKey authority;
    sv2::SecretKey static_key;

    // Reads both keys, or makes those that are missing. A file that is there but holds no key is an error and never
    // replaced: clients would not recognise the provider any more. Nothing, with a sentence in `error`, if it fails.
    // `notice` says what should be looked at even so: a file that others could read, and that now is its owner's.
    //
    // A file is a byte of 0 or 1, which sv2-tp writes first and which means nothing here, and the 32 bytes of the key;
    // the 32 bytes alone are read too.
    static std::optional<Keys> open(const std::filesystem::path& directory, std::string& error, std::string& notice);

    // An identity with a certificate that begins an hour ago, for clients whose clock is late.
    sv2::Result<sv2::Identity> identity(std::chrono::sys_seconds now, std::chrono::seconds validity) const;
};

// Whether a certificate that was made at `made` is to be replaced: at half time, and when the clock was set back, as it may not be
// valid yet.
bool is_renewal_due(std::chrono::sys_seconds made, std::chrono::sys_seconds now, std::chrono::seconds validity);

}  // namespace host
