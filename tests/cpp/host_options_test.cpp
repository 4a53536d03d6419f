// The options that the programs have in common: command line, TOML file and --help, and addresses as people write them.
#include <fstream>
#include <string>
#include <vector>

#include "check.hpp"
#include "directory.hpp"
#include "host/address.hpp"
#include "host/options.hpp"

namespace {

// A program with an option of each kind.
struct Program {
    std::string listen = "127.0.0.1:3333";
    std::uint32_t most = 1000;
    double shares = 6;
    bool plaintext = false, test = false;
    std::vector<std::string> exempt, payouts, urls;
    host::Options options{"sv2-example", "An example."};

    Program() {
        const auto into = [](std::vector<std::string>& to) {
            return [&to](std::string_view text) -> std::string {
                if (text == "wrong") return "this is wrong";
                to.emplace_back(text);
                return {};
            };
        };
        options.argument("URL", "Where to connect", into(urls));
        options.heading("Miners");
        options.text("listen", "ADDRESS:PORT", "Where miners connect", listen);
        options.number("max-connections", "N", "Most miners at once", most, 1U, 100'000U);
        options.real("shares-per-minute", "N", "How often a miner sends a share", shares, 0.1, 600);
        options.values("exempt", "ADDRESS", "Miners from here do not count", into(exempt));
        options.pairs("payout-of", "USER=ADDRESS", "Where a user is paid", into(payouts));
        options.flag("plaintext", "No encryption", plaintext);
        options.command("test-connection", "Only look whether it works", test);
    }

    // Nothing if it would run, otherwise the first line of what it prints.
    std::string read(const std::vector<std::string>& arguments) {
        const auto print = options.read(arguments);
        return print ? print->text.substr(0, print->text.find('\n')) : "";
    }
};

struct Configured : Program {
    Directory directory;
    std::string file;
    explicit Configured(const std::string& text) : file((directory.path() / "pool.toml").string()) {
        std::ofstream{file} << text;
    }
    std::string read(std::vector<std::string> arguments = {}) {
        arguments.insert(arguments.begin(), {"--config", file});
        return Program::read(arguments);
    }
};

using Texts = std::vector<std::string>;

void what_is_not_said_stays_as_usual() {
    Program program;
    CHECK_EQUAL(program.read({}), "");
    CHECK_EQUAL(program.listen, "127.0.0.1:3333");
    CHECK_EQUAL(program.most, 1000U);
    CHECK(!program.options.is_said("listen"));
}

void a_value_stands_behind_a_blank_or_an_equals_sign() {
    Program program;
    CHECK_EQUAL(program.read({"--listen", "[::1]:1", "--max-connections=20000", "--shares-per-minute", "1.5e1", "--plaintext",
                              "--test-connection", "--exempt", "10.0.0.0/8", "--exempt=::1", "--payout-of", "alice=bc1q",
                              "stratum2+tcp://pool:1"}),
                "");
    CHECK_EQUAL(program.listen, "[::1]:1");
    CHECK_EQUAL(program.most, 20'000U);
    CHECK_EQUAL(program.shares, 15.0);
    CHECK(program.plaintext && program.test);
    CHECK(program.exempt == (Texts{"10.0.0.0/8", "::1"}));
    CHECK(program.payouts == Texts{"alice=bc1q"});
    CHECK(program.urls == Texts{"stratum2+tcp://pool:1"});
}

void the_last_word_on_the_command_line_counts() {
    Program program;
    CHECK_EQUAL(program.read({"--listen=a:1", "--plaintext", "--listen=b:2", "--no-plaintext"}), "");
    CHECK_EQUAL(program.listen, "b:2");
    CHECK(!program.plaintext);
}

void what_is_wrong_on_the_command_line_is_named() {
    const auto read = [](const Texts& arguments) { return Program{}.read(arguments); };
    CHECK_EQUAL(read({"--listne=a"}), "sv2-example: '--listne=a': there is no such option.");
    CHECK_EQUAL(read({"--listen"}), "sv2-example: '--listen': a value is missing.");
    CHECK_EQUAL(read({"-l"}), "sv2-example: '-l': this is not an option; options begin with two dashes.");
    CHECK_EQUAL(read({"--no-listen"}), "sv2-example: '--no-listen': there is no such option.");
    CHECK_EQUAL(read({"--max-connections=0"}),
                "sv2-example: --max-connections, '0': this is not a whole number from 1 to 100000.");
    CHECK_EQUAL(read({"--max-connections", "-1"}),
                "sv2-example: --max-connections, '-1': this is not a whole number from 1 to 100000.");
    CHECK_EQUAL(read({"--shares-per-minute=nan"}), "sv2-example: --shares-per-minute, 'nan': this is not a number from 0.1 to 600.");
    CHECK_EQUAL(read({"--plaintext=1"}), "sv2-example: --plaintext, '1': this is either true or false.");
    CHECK_EQUAL(read({"wrong"}), "sv2-example: 'wrong', 'wrong': this is wrong.");
    const auto print = Program{}.options.read({"--listne"});
    CHECK_EQUAL(print->status, 2);
}

void the_file_says_the_same_as_the_command_line() {
    Configured program{
        "# a pool\n"
        "listen = \"0.0.0.0:34254\"\n"
        "max_connections = 20_000\n"
        "shares-per-minute = 12\n"
        "exempt = [\"10.0.0.0/8\", \"::1\"]\n"
        "plaintext = true\n"
        "[payout-of]\n"
        "alice = \"bc1q\"\n"
        "\"bob.smith\" = \"bc1p\"\n"};
    CHECK_EQUAL(program.read(), "");
    CHECK_EQUAL(program.listen, "0.0.0.0:34254");
    CHECK_EQUAL(program.most, 20'000U);
    CHECK_EQUAL(program.shares, 12.0);
    CHECK(program.exempt == (Texts{"10.0.0.0/8", "::1"}));
    CHECK(program.plaintext);
    CHECK(program.payouts == (Texts{"alice=bc1q", "bob.smith=bc1p"}));
}

void the_command_line_wins_over_the_file() {
    Configured program{"listen = \"a:1\"\nexempt = [\"::1\"]\nplaintext = true\nmax-connections = 7\n"};
    CHECK_EQUAL(program.read({"--listen=b:2", "--no-plaintext", "--exempt=::2"}), "");
    CHECK_EQUAL(program.listen, "b:2");
    CHECK(!program.plaintext);
    CHECK(program.exempt == Texts{"::2"});
    CHECK_EQUAL(program.most, 7U);
}

void what_is_wrong_in_the_file_is_named_with_its_line() {
    const auto refusal = [](const std::string& text) {
        Configured program{text};
        const std::string said = program.read();
        const std::string before = "sv2-example: " + program.file;
        CHECK(said.starts_with(before));
        return said.substr(before.size());
    };
    CHECK_EQUAL(refusal("\nlistne = \"a:1\"\n"), ", line 2: 'listne' is not a setting.");
    CHECK_EQUAL(refusal("test-connection = true\n"), ", line 1: 'test-connection' is for the command line only.");
    CHECK_EQUAL(refusal("[listen]\nat = 1\n"), ", line 1 (listen): this value is of a kind that means nothing here.");
    CHECK_EQUAL(refusal("max-connections = 0\n"),
                ", line 1 (max-connections), '0': this is not a whole number from 1 to 100000.");
    CHECK_EQUAL(refusal("plaintext = \"true\"\n"), ", line 1 (plaintext): this is either true or false, without quotes.");
    CHECK_EQUAL(refusal("max-connections = true\n"), ", line 1 (max-connections): this is not for true or false.");
    CHECK_EQUAL(refusal("max-connections = 1\n\nmax_connections = 2\n"), ", line 3 (max-connections): this is said twice.");
    CHECK_EQUAL(refusal("exempt = [\n \"::1\",\n \"wrong\"]\n"), ", line 3 (exempt), 'wrong': this is wrong.");
    CHECK_EQUAL(refusal("payout-of = \"x\"\n"),
                ", line 1 (payout-of): this is a table: [payout-of], and under it lines of KEY = \"VALUE\".");
    CHECK(refusal("listen = \n").starts_with(", line 1: "));
    CHECK_EQUAL(Program{}.read({"--config", "/nowhere/pool.toml"}).rfind("sv2-example: /nowhere/pool.toml", 0), 0U);
}

void what_the_program_itself_finds_wrong_is_named_with_its_place() {
    Configured program{"\nlisten = \"a\"\n"};
    CHECK_EQUAL(program.read(), "");
    CHECK_EQUAL(program.options.wrong("listen", "this is no address").text,
                "sv2-example: " + program.file + ", line 2 (listen): this is no address.\nTry --help.\n");
    CHECK_EQUAL(program.options.wrong("exempt", "one is needed").text,
                "sv2-example: --exempt: one is needed.\nTry --help.\n");
}

void help_shows_the_table_and_what_is_usual() {
    const auto print = Program{}.options.read({"--listne-comes-later-so-help-wins", "x"});
    CHECK_EQUAL(print->status, 2);
    const auto help = Program{}.options.read({"--help"});
    CHECK_EQUAL(help->status, 0);
    for (const char* line : {"usage: sv2-example [options] URL\n", "\nMiners:\n",
                             "  --listen ADDRESS:PORT       Where miners connect (default: 127.0.0.1:3333)\n",
                             "  --max-connections N         Most miners at once (default: 1000)\n", "  --config FILE "}) {
        if (help->text.find(line) == std::string::npos) std::cerr << help->text;
        CHECK(help->text.find(line) != std::string::npos);
    }
    CHECK(Program{}.read({"--version"}).starts_with("sv2-example "));
}

void addresses_are_read_as_people_write_them() {
    const auto read = [](std::string_view text) {
        const auto at = host::HostPort::parse(text);
        return at ? at->host + " " + std::to_string(at->port) : "";
    };
    CHECK_EQUAL(read("pool.example:3333"), "pool.example 3333");
    CHECK_EQUAL(read("[::1]:0"), "::1 0");
    for (const char* wrong : {"", "pool", ":1", "pool:", "pool:65536", "pool:+1", "::1", "[::1]", "[::1]1", "[pool]:1", "a b:1"}) {
        CHECK_EQUAL(read(wrong), "");
    }
    CHECK_EQUAL(host::HostPort::parse("pool", 3333)->port, 3333);
    CHECK_EQUAL(host::HostPort::parse("[::1]", 3333)->text(), "[::1]:3333");
}

void a_server_is_named_by_url_or_by_host_and_port() {
    const std::string url = "stratum2+tcp://pool.example:3333/9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh";
    const auto with_key = host::ServerAddress::parse(url);
    CHECK(with_key && with_key->authority);
    CHECK_EQUAL(with_key->url(), url);
    const auto without = host::ServerAddress::parse("pool.example:3333");
    CHECK(without && !without->authority);
    CHECK_EQUAL(without->url(), "stratum2+tcp://pool.example:3333");
    CHECK(!host::ServerAddress::parse(url + "x"));
    CHECK(!host::ServerAddress::parse("pool.example:0"));
}

}  // namespace

int main() {
    return run({
        {"what is not said stays as usual", what_is_not_said_stays_as_usual},
        {"a value stands behind a blank or an equals sign", a_value_stands_behind_a_blank_or_an_equals_sign},
        {"the last word on the command line counts", the_last_word_on_the_command_line_counts},
        {"what is wrong on the command line is named", what_is_wrong_on_the_command_line_is_named},
        {"the file says the same as the command line", the_file_says_the_same_as_the_command_line},
        {"the command line wins over the file", the_command_line_wins_over_the_file},
        {"what is wrong in the file is named with its line", what_is_wrong_in_the_file_is_named_with_its_line},
        {"what the program itself finds wrong is named with its place",
         what_the_program_itself_finds_wrong_is_named_with_its_place},
        {"help shows the table and what is usual", help_shows_the_table_and_what_is_usual},
        {"addresses are read as people write them", addresses_are_read_as_people_write_them},
        {"a server is named by URL, or by host and port", a_server_is_named_by_url_or_by_host_and_port},
    });
}
