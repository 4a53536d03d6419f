// Options as they are written, on the command line and in a configuration file, in the manner of Bitcoin Core.
//
// On the command line -name=value or -name, on which two dashes are as good as one; in the file name=value, under a
// [section] if it is for one network. What is for switching on or off can be written -noname, too. The command line wins,
// then the network's section, then the file's beginning; within the command line the last one counts, within the file the
// first.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// An option that the program has.
struct KnownOption {
    std::string_view name;
    bool can_be_negated = false;  // -noname is -name=0
    bool of_a_network = false;    // at the file's beginning it is for the main network only
    bool needs_value = false;     // -name alone is an error
    bool in_file = true;          // it may stand in the file
};

class Settings {
public:
    struct Value {
        std::string text;
        std::string where;  // for people: "-sv2port=1" or "/x/sv2-tp.conf, line 3 (sv2port=1)"
        bool negated = false;  // it was written as -noname
    };

    explicit Settings(std::span<const KnownOption> known) : known_(known) {}

    // Each returns an empty string, or a sentence about what is wrong. `sections` are the names that may stand in
    // brackets.
    [[nodiscard]] std::string read_command_line(std::span<const std::string> arguments);
    [[nodiscard]] std::string read_file(const std::filesystem::path& path, std::span<const std::string_view> sections);

    // From now on the section counts as the network's. `main_network` says whether it is the one to which options of a
    // network at the file's beginning belong.
    void select(std::string_view section, bool main_network);

    // The value that counts; nothing if there is none.
    std::optional<Value> get(std::string_view name) const;
    // The value that counts when it is an option that says which network it is: it cannot stand in a section, and in the
    // file the last one counts.
    std::optional<Value> get_network(std::string_view name) const;
    // All values, in the order in which they count. A negation takes back what was said before it in the same place, and
    // whatever places that count less say.
    std::vector<Value> all(std::string_view name) const;

    // Options of a network that stand at the file's beginning and do not count for this one.
    std::vector<std::string> unused() const;

private:
    using Values = std::map<std::string, std::vector<Value>, std::less<>>;

    std::string add(Values& to, std::string name, std::optional<std::string> text, const std::string& where,
                    bool from_file);
    const KnownOption* known(std::string_view name) const;
    std::vector<const std::vector<Value>*> sources(std::string_view name) const;

    std::span<const KnownOption> known_;
    Values command_line_;
    std::map<std::string, Values, std::less<>> file_;  // by section; "" is the file's beginning
    std::string section_;
    bool main_network_ = true;
};

// How a switch is read: no value is on, and a number unless it is 0. Nothing if it is no number.
std::optional<bool> is_on(std::string_view text);
