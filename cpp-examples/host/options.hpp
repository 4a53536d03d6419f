// What a program can be told: on the command line as --name value or --name=value, and in a TOML file as name = value. One table
// says both, and makes the text of --help.
//
//     Settings settings;                                   // the program's own struct, with what is usual
//     host::Options options{"sv2-pool", "A mining pool."};
//     options.heading("Miners");
//     options.text("listen", "ADDRESS:PORT", "Where miners connect", settings.listen);
//     options.number("max-connections", "N", "Most miners at once", settings.max_connections, 1u, 100'000u);
//     if (const auto print = options.read({argv + 1, argv + argc})) return print->out();
//
// --help, --version and --config FILE are there by themselves. The command line wins over the file. In the file - and _ in names
// are the same. What nobody knows is an error, and says where it stands.
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "address.hpp"

namespace host {

// What the command line asks for instead of a run: a text, and the exit status after it.
struct Print {
    std::string text;
    int status;

    // Writes it, an error to the standard error, and gives the status.
    int out() const;
};

class Options {
public:
    // Takes a value as it is written. Empty, or what is wrong with it, such as "this is not an address".
    using Take = std::function<std::string(std::string_view text)>;

    // `about` is what the program does: it stands at the beginning of --help.
    Options(std::string program, std::string about);

    // The table, in the order of --help. Where a variable is given it holds what is usual, and must outlive `read`.

    // A line above the options that follow.
    void heading(std::string text);
    // What stands on the command line without a name, such as a URL; only there.
    void argument(std::string placeholder, std::string help, Take take);
    void value(std::string name, std::string placeholder, std::string help, Take take);
    // Can be given several times; in the file also as a list.
    void values(std::string name, std::string placeholder, std::string help, Take take);
    // --name KEY=VALUE, several times; in the file a table [name] of lines KEY = "VALUE". `take` gets "KEY=VALUE".
    void pairs(std::string name, std::string placeholder, std::string help, Take take);
    void text(std::string name, std::string placeholder, std::string help, std::string& to);
    void path(std::string name, std::string placeholder, std::string help, std::filesystem::path& to);
    // --name switches on, --no-name off; in the file true or false.
    void flag(std::string name, std::string help, bool& to);
    // A flag for one run, such as --test-connection: not in the file.
    void command(std::string name, std::string help, bool& to);
    template <std::unsigned_integral T>
    void number(std::string name, std::string placeholder, std::string help, T& to, T least, T most) {
        value(std::move(name), std::move(placeholder), with_default(std::move(help), std::to_string(to)),
              [&to, least, most](std::string_view digits) -> std::string {
                  const auto read = whole_number(digits, most);
                  if (!read || *read < least) {
                      return "this is not a whole number from " + std::to_string(least) + " to " + std::to_string(most);
                  }
                  to = static_cast<T>(*read);
                  return {};
              });
    }
    // A number with a fraction or an exponent, if it likes.
    void real(std::string name, std::string placeholder, std::string help, double& to, double least, double most);

    // Reads command line and file. Nothing if the program is to run.
    [[nodiscard]] std::optional<Print> read(const std::vector<std::string>& arguments);

    // After `read`: whether it was said at all, and a failure that names the place where it was.
    bool is_said(std::string_view name) const { return said_.contains(name); }
    Print wrong(std::string_view name, const std::string& why) const;
    Print failure(const std::string& sentence) const;

    std::string help() const;

private:
    enum class Kind : std::uint8_t { heading, argument, value, values, pairs, flag, command };
    struct Entry {
        Kind kind;
        std::string name, placeholder, help;
        Take take;
    };
    struct Said {
        std::string text;
        std::string where;  // for people
    };
    struct File;

    static std::string with_default(std::string help, const std::string& usual);
    const Entry* find(std::string_view name) const;
    std::string read_command_line(const std::vector<std::string>& arguments);
    std::string read_file(const std::filesystem::path& path);
    std::string take_all() const;

    const std::string program_, about_;
    std::vector<Entry> entries_;
    std::map<std::string, std::vector<Said>, std::less<>> said_;
    std::vector<Said> arguments_;
    std::filesystem::path config_;
    bool help_ = false, version_ = false;
};

}  // namespace host
