// A directory that is gone when the case ends.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "check.hpp"

class Directory {
public:
    Directory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "sv2-test-XXXXXX").string();
        CHECK(::mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    ~Directory() { std::filesystem::remove_all(path_); }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};
