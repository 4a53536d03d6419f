#include "options.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <utility>

#include <sv2.h>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace host {
namespace {

constexpr int status_of_errors = 2;

std::string number_text(double value) {
    char digits[32];
    return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

std::string take_flag(std::string_view text, bool& to) {
    if (text != "true" && text != "false") return "this is either true or false";
    to = text == "true";
    return {};
}

// A value of the file as it would be written on the command line; nothing if it cannot be.
std::optional<std::string> text_of(const toml::node& node) {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* whole = node.as_integer()) return std::to_string(whole->get());
    if (const auto* real = node.as_floating_point()) return number_text(real->get());
    if (const auto* truth = node.as_boolean()) return truth->get() ? "true" : "false";
    return std::nullopt;
}

// A path as a shell would take it: in a file of settings, and behind a =, nobody else says what ~/ is.
std::filesystem::path at_home(std::string_view text) {
    const char* home = std::getenv("HOME");
    if (!text.starts_with("~/") || !home || !*home) return text;
    return std::filesystem::path{home} / text.substr(2);
}

// Breaks `text` into lines of up to `width`, each but the first begun with `indent` blanks.
std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
    std::string out;
    std::size_t column = indent;
    while (!text.empty()) {
        const auto end = std::min(text.find(' '), text.size());
        if (column > indent && column + 1 + end > width) {
            out += '\n' + std::string(indent, ' ');
            column = indent;
        } else if (column > indent) {
            out += ' ';
            ++column;
        }
        out += text.substr(0, end);
        column += end;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

}  // namespace

int Print::out() const {
    std::fputs(text.c_str(), status == 0 ? stdout : stderr);
    return status;
}

Options::Options(std::string program, std::string about) : program_(std::move(program)), about_(std::move(about)) {}

// -------------------------------------------------------------------------------------------------------------- the table

std::string Options::with_default(std::string help, const std::string& usual) {
    return usual.empty() ? help : help + " (default: " + usual + ")";
}

void Options::heading(std::string text) { entries_.push_back({Kind::heading, {}, {}, std::move(text), {}}); }

void Options::argument(std::string placeholder, std::string help, Take take) {
    entries_.push_back({Kind::argument, {}, std::move(placeholder), std::move(help), std::move(take)});
}

void Options::value(std::string name, std::string placeholder, std::string help, Take take) {
    entries_.push_back({Kind::value, std::move(name), std::move(placeholder), std::move(help), std::move(take)});
}

void Options::values(std::string name, std::string placeholder, std::string help, Take take) {
    entries_.push_back({Kind::values, std::move(name), std::move(placeholder), std::move(help), std::move(take)});
}

void Options::pairs(std::string name, std::string placeholder, std::string help, Take take) {
    entries_.push_back({Kind::pairs, std::move(name), std::move(placeholder), std::move(help), std::move(take)});
}

void Options::text(std::string name, std::string placeholder, std::string help, std::string& to) {
    value(std::move(name), std::move(placeholder), with_default(std::move(help), to), [&to](std::string_view text) {
        to = text;
        return std::string{};
    });
}

void Options::path(std::string name, std::string placeholder, std::string help, std::filesystem::path& to) {
    value(std::move(name), std::move(placeholder), with_default(std::move(help), to.string()), [&to](std::string_view text) {
        to = at_home(text);
        return std::string{};
    });
}

void Options::flag(std::string name, std::string help, bool& to) {
    const auto take = [&to](std::string_view text) { return take_flag(text, to); };
    entries_.push_back({Kind::flag, std::move(name), {}, to ? std::move(help) + " (default: yes)" : std::move(help), take});
}

void Options::command(std::string name, std::string help, bool& to) {
    const auto take = [&to](std::string_view text) { return take_flag(text, to); };
    entries_.push_back({Kind::command, std::move(name), {}, std::move(help), take});
}

void Options::real(std::string name, std::string placeholder, std::string help, double& to, double least, double most) {
    value(std::move(name), std::move(placeholder), with_default(std::move(help), number_text(to)),
          [&to, least, most](std::string_view digits) -> std::string {
              double read = 0;
              const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), read);
              const bool is_number = error == std::errc{} && end == digits.data() + digits.size() && std::isfinite(read);
              if (!is_number || read < least || read > most) {
                  return "this is not a number from " + number_text(least) + " to " + number_text(most);
              }
              to = read;
              return {};
          });
}

const Options::Entry* Options::find(std::string_view name) const {
    const auto found = std::ranges::find_if(entries_, [&](const Entry& of) { return !of.name.empty() && of.name == name; });
    return found == entries_.end() ? nullptr : &*found;
}

// ---------------------------------------------------------------------------------------------------------------- reading

std::optional<Print> Options::read(const std::vector<std::string>& arguments) {
    if (const std::string error = read_command_line(arguments); !error.empty()) return failure(error);
    if (help_) return Print{help(), 0};
    if (version_) return Print{program_ + " " SV2_VERSION "\n", 0};
    if (!config_.empty()) {
        if (const std::string error = read_file(config_); !error.empty()) return failure(error);
    }
    if (const std::string error = take_all(); !error.empty()) return failure(error);
    return std::nullopt;
}

std::string Options::read_command_line(const std::vector<std::string>& arguments) {
    for (auto at = arguments.begin(); at != arguments.end(); ++at) {
        const std::string quoted = "'" + *at + "'";
        if (!at->starts_with("--") && *at != "-h") {
            const bool takes = std::ranges::find(entries_, Kind::argument, &Entry::kind) != entries_.end();
            if (!takes || at->starts_with('-')) return quoted + ": this is not an option; options begin with two dashes.";
            arguments_.push_back({*at, quoted});
            continue;
        }
        const auto equals = at->find('=');
        std::string name = *at == "-h" ? "help" : at->substr(2, equals == at->npos ? at->npos : equals - 2);
        std::optional<std::string> text;
        if (equals != at->npos) text = at->substr(equals + 1);
        if (name == "help" || name == "version") {
            (name == "help" ? help_ : version_) = true;
            continue;
        }
        const Entry* entry = find(name);
        if (!entry && name.starts_with("no-") && !text) {
            entry = find(name.substr(3));
            if (entry && entry->kind != Kind::flag) entry = nullptr;
            if (entry) name = entry->name, text = "false";
        }
        if (!entry && name != "config") return quoted + ": there is no such option.";
        const bool is_flag = entry && (entry->kind == Kind::flag || entry->kind == Kind::command);
        if (!text && is_flag) text = "true";
        if (!text) {
            if (at + 1 == arguments.end()) return quoted + ": a value is missing.";
            text = *++at;
        }
        if (name == "config") {
            config_ = *text;
            if (text->empty()) return quoted + ": the name of a file is missing.";
            continue;
        }
        const bool one_counts = entry->kind != Kind::values && entry->kind != Kind::pairs;
        if (one_counts) said_[name].clear();
        said_[name].push_back({*std::move(text), "--" + name});
    }
    return {};
}

// The tables and lists of the file, each value with the line that it stands in.
struct Options::File {
    const Options& options;
    std::string name;
    std::map<std::string, std::vector<Said>, std::less<>> said = {};
    std::string error = {};

    std::string where(const toml::source_region& at) const { return name + ", line " + std::to_string(at.begin.line); }

    void fail(const toml::node& node, std::string_view key, std::string_view why) {
        if (error.empty()) error = where(node.source()) + " (" + std::string{key} + "): " + std::string{why} + ".";
    }

    void add(const Entry& entry, const toml::node& node, std::string_view before = {}) {
        const auto text = text_of(node);
        if (!text) return fail(node, entry.name, "this value is of a kind that means nothing here");
        const bool is_flag = entry.kind == Kind::flag;
        if (is_flag != node.is_boolean()) {
            return fail(node, entry.name, is_flag ? "this is either true or false, without quotes" : "this is not for true or false");
        }
        said[entry.name].push_back({std::string{before} + *text, where(node.source()) + " (" + entry.name + ")"});
    }

    void add_setting(std::string_view key, const toml::key& written, const toml::node& node) {
        const Entry* entry = options.find(key);
        if (!entry || entry->kind == Kind::command) {
            if (error.empty()) {
                error = where(written.source()) + ": '" + std::string{written.str()} +
                        (entry ? "' is for the command line only." : "' is not a setting.");
            }
        } else if (said.contains(entry->name)) {
            fail(node, entry->name, "this is said twice");
        } else if (const auto* list = node.as_array(); list && entry->kind == Kind::values) {
            said[entry->name];
            for (const toml::node& item : *list) add(*entry, item);
        } else if (const auto* table = node.as_table(); table && entry->kind == Kind::pairs) {
            for (const auto& [left, right] : *table) add(*entry, right, std::string{left.str()} + "=");
        } else if (entry->kind == Kind::pairs) {
            fail(node, entry->name, "this is a table: [" + entry->name + "], and under it lines of KEY = \"VALUE\"");
        } else {
            add(*entry, node);
        }
    }
};

std::string Options::read_file(const std::filesystem::path& path) {
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) return path.string() + " is a directory, not a file of settings.";
    const toml::parse_result parsed = toml::parse_file(path.string());
    if (!parsed) {
        const toml::parse_error& why = parsed.error();
        const auto line = why.source().begin.line;
        return path.string() + (line > 0 ? ", line " + std::to_string(line) : "") + ": " + std::string{why.description()} + ".";
    }
    File file{*this, path.string()};
    for (const auto& [key, node] : parsed.table()) {
        std::string name{key.str()};
        std::ranges::replace(name, '_', '-');
        file.add_setting(name, key, node);
    }
    if (!file.error.empty()) return file.error;
    // The command line wins.
    for (auto& [name, values] : file.said) said_.try_emplace(name, std::move(values));
    return {};
}

std::string Options::take_all() const {
    const auto take = [](const Entry& entry, const std::vector<Said>& all) -> std::string {
        for (const Said& said : all) {
            if (const std::string why = entry.take(said.text); !why.empty()) {
                return said.where + ", '" + said.text + "': " + why + ".";
            }
        }
        return {};
    };
    for (const Entry& entry : entries_) {
        std::string error;
        if (entry.kind == Kind::argument) {
            error = take(entry, arguments_);
        } else if (const auto found = said_.find(entry.name); found != said_.end()) {
            error = take(entry, found->second);
        }
        if (!error.empty()) return error;
    }
    return {};
}

// ------------------------------------------------------------------------------------------------------------ what is said

Print Options::wrong(std::string_view name, const std::string& why) const {
    const auto found = said_.find(name);
    const bool is_said_once = found != said_.end() && !found->second.empty();
    return failure((is_said_once ? found->second.back().where : "--" + std::string{name}) + ": " + why + ".");
}

Print Options::failure(const std::string& sentence) const {
    return {program_ + ": " + sentence + "\nTry --help.\n", status_of_errors};
}

std::string Options::help() const {
    constexpr std::size_t indent = 30, width = 118;
    std::string text = program_ + " " SV2_VERSION "\n\n" + about_ + "\n\nusage: " + program_ + " [options]";
    for (const Entry& entry : entries_) {
        if (entry.kind == Kind::argument) text += " " + entry.placeholder;
    }
    text += "\n";
    const auto line = [&](std::string left, const std::string& help) {
        if (left.size() + 2 > indent) {
            left += "\n" + std::string(indent, ' ');
        } else {
            left.resize(indent, ' ');
        }
        text += left + wrapped(help, indent, width) + "\n";
    };
    for (const Entry& entry : entries_) {
        if (entry.kind == Kind::heading) {
            text += "\n" + entry.help + (entry.help.ends_with(':') ? "\n" : ":\n");
        } else if (entry.kind == Kind::argument) {
            line("  " + entry.placeholder, entry.help);
        } else {
            line("  --" + entry.name + (entry.placeholder.empty() ? "" : " " + entry.placeholder), entry.help);
        }
    }
    text += "\n";
    line("  --config FILE", "A TOML file with the same settings, as name = value without the dashes; the command line wins");
    line("  --help, --version", "");
    text += "\nWhat can be switched on is switched off by --no-<name>.\n";
    return text;
}

}  // namespace host
