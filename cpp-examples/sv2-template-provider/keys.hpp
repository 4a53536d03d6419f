// The provider's keys: two files of 32 bytes in the data directory.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include <sv2.hpp>

// The authority's key signs certificates for the static key, which the Noise handshake shows.
struct Keys {
    sv2::SecretKey authority;
    sv2::SecretKey static_key;

    // Reads both keys, or makes those that are missing. A file that is there but holds no key is an error and never
    // replaced: clients would not recognise the provider any more. Nothing, with a sentence in `error`, if it fails.
    static std::optional<Keys> open(const std::filesystem::path& datadir, std::string& error);

    // An identity with a certificate that begins an hour ago, for clients whose clock is late, and ends in 30 days.
    sv2::Result<sv2::Identity> identity(std::chrono::sys_seconds now) const;
    static constexpr std::chrono::days validity{30};
};
