// Values as they are written, read into what they mean.
#pragma once

#include <charconv>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "options.hpp"
#include "settings.hpp"

// A whole number in digits, up to `max`.
template <class T> std::optional<T> number(std::string_view digits, T max) {
    T value{};
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size() || value > max) return std::nullopt;
    return value;
}

// Reads settings into options; the first thing that is wrong stays in `error`.
class Reader {
public:
    Reader(const Settings& settings, std::string& error) : settings_(settings), error_(error) {}

    bool on(std::string_view name, bool usual) {
        const auto value = settings_.get(name);
        if (!value) return usual;
        const auto is = is_on(value->text);
        if (!is) wrong(*value, "this is either 1 or 0");
        return is.value_or(usual);
    }

    template <class T> void take(std::string_view name, T& to, T max) {
        const auto value = settings_.get(name);
        if (!value) return;
        if (const auto read = number<T>(value->text, max)) {
            to = *read;
        } else {
            wrong(*value, "it has no valid value: a whole number up to " + std::to_string(max));
        }
    }

    // A path under `directory`; empty if it is switched off.
    std::filesystem::path path(std::string_view name, const std::filesystem::path& directory, const char* usual) {
        const auto value = settings_.get(name);
        if (value && (value->text == "0" || value->text == "false")) return {};
        return directory / (value && !value->text.empty() ? value->text : usual);
    }

    void wrong(const Settings::Value& value, const std::string& why) {
        if (error_.empty()) error_ = value.where + ": " + why + ".";
    }

private:
    const Settings& settings_;
    std::string& error_;
};

// The part of the options that is about the log.
void read_log_options(const Settings& settings, Reader& reader, Options& options);
