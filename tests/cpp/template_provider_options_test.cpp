// The options of sv2-template-provider: what the command line and the configuration file mean.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "check.hpp"
#include "directory.hpp"
#include "sv2-template-provider/options.hpp"

namespace {

using Arguments = std::vector<std::string>;

Options options(const Arguments& arguments) {
    const auto parsed = parse_options(arguments);
    if (const auto* print = std::get_if<Print>(&parsed)) std::cerr << print->text;
    CHECK(std::holds_alternative<Options>(parsed));
    return std::get<Options>(parsed);
}

// What it is refused with, without the hint at -help.
std::string refusal(const Arguments& arguments) {
    const auto parsed = parse_options(arguments);
    CHECK(std::holds_alternative<Print>(parsed));
    CHECK(std::get<Print>(parsed).failure);
    std::string text = std::get<Print>(parsed).text;
    const auto hint = text.find("\nTry -help.\n");
    CHECK(hint != text.npos);
    return text.substr(0, hint);
}

// A data directory with a configuration file in it.
struct Configured {
    Directory directory;
    explicit Configured(const std::string& text, const std::string& name = "sv2-tp.conf") {
        std::ofstream{directory.path() / name} << text;
    }
    std::string datadir() const { return "-datadir=" + directory.path().string(); }
    std::string file() const { return (directory.path() / "sv2-tp.conf").string(); }
};

void each_network_has_the_port_and_the_directory_of_sv2_tp() {
    struct Row {
        const char* argument;
        const char* other;
        const char* name;
        std::uint16_t port;
        const char* directory;
    };
    const Directory home;
    ::setenv("HOME", home.path().c_str(), 1);
    for (const Row& row : {Row{"-chain=main", "-testnet=0", "main", 8442, ".bitcoin/"},
                           Row{"-chain=test", "-testnet", "test", 18442, ".bitcoin/testnet3"},
                           Row{"-chain=testnet4", "--testnet4=1", "testnet4", 48442, ".bitcoin/testnet4"},
                           Row{"-chain=signet", "-signet=1", "signet", 38442, ".bitcoin/signet"},
                           Row{"-chain=regtest", "-regtest", "regtest", 18447, ".sv2-template-provider/regtest"}}) {
        for (const std::string argument : {row.argument, row.other}) {
            const Options read = options({argument});
            CHECK_EQUAL(read.network->name, std::string_view{row.name});
            CHECK_EQUAL(read.port, row.port);
            CHECK_EQUAL(read.directory, home.path() / row.directory);
        }
    }
}

void nothing_said_means_what_it_means_to_sv2_tp() {
    const Directory home;
    ::setenv("HOME", home.path().c_str(), 1);
    const Options read = options({});
    CHECK_EQUAL(read.network->name, std::string_view{"main"});
    CHECK(read.node_socket == home.path() / ".bitcoin/node.sock");
    CHECK_EQUAL(read.bind, std::string{"127.0.0.1"});
    CHECK_EQUAL(read.block_work, 0U);
    CHECK_EQUAL(read.fee_delta, 1000U);
    CHECK_EQUAL(read.template_interval.count(), 5);
    CHECK(read.pid_file == home.path() / ".bitcoin/sv2-tp.pid");
    CHECK(read.log.file == home.path() / ".bitcoin/sv2-debug.log");
    CHECK(read.log.console && read.log.timestamps && !read.log.microseconds && !read.log_addresses);
    CHECK(!read.plaintext);
}

void the_embedded_chain_is_for_regtest_without_a_node() {
    const Configured at{""};
    CHECK(!options({"-regtest", at.datadir()}).node_socket);
    CHECK(options({"-regtest", at.datadir(), "-ipcconnect=unix"}).node_socket == at.directory.path() / "regtest/node.sock");
    CHECK(options({"-regtest", at.datadir(), "-ipcconnect"}).node_socket == at.directory.path() / "regtest/node.sock");
    CHECK(options({"-signet", at.datadir(), "-ipcconnect=unix:/run/node"}).node_socket == std::filesystem::path{"/run/node"});
    CHECK(!options({"-regtest", at.datadir(), "-ipcconnect=unix", "-noipcconnect"}).node_socket);
    CHECK_EQUAL(refusal({"-signet", "-noipcconnect"}), std::string{"'-noipcconnect': only regtest can be served without a node."});
    CHECK_EQUAL(refusal({"-ipcconnect=tcp"}), std::string{"'-ipcconnect=tcp': this is neither unix nor unix:<path>."});
}

void addresses_to_listen_on_are_read_as_sv2_tp_reads_them() {
    const auto bound = [](const std::string& bind) {
        const Options read = options({"-regtest", "-sv2bind=" + bind, "-sv2port=5"});
        return read.bind + " " + std::to_string(read.port);
    };
    CHECK_EQUAL(bound("0.0.0.0"), std::string{"0.0.0.0 5"});
    CHECK_EQUAL(bound("192.0.2.1:77"), std::string{"192.0.2.1 77"});
    CHECK_EQUAL(bound("::1"), std::string{"::1 5"});
    CHECK_EQUAL(bound("[::1]"), std::string{"::1 5"});
    CHECK_EQUAL(bound("[::1]:77"), std::string{"::1 77"});
    for (const char* bad : {"192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "pool.example", "[::1]:x", ":77", "[::1"}) {
        CHECK_EQUAL(refusal({"-regtest", std::string{"-sv2bind="} + bad}),
                    "'-sv2bind=" + std::string{bad} + "': this is not an address to listen on.");
    }
}

void what_makes_no_sense_is_refused_with_a_sentence() {
    for (const auto& [argument, why] : std::vector<std::pair<std::string, std::string>>{
             {"-sv2port=65536", ": it has no valid value: a whole number up to 65535."},
             {"-sv2port=", ": it has no valid value: a whole number up to 65535."},
             {"-sv2port", ": a value is missing: -sv2port=<value>."},
             {"-templateinterval=1s", ": it has no valid value: a whole number up to 86400."},
             {"-blockwork=65", ": it has no valid value: a whole number up to 64."},
             {"-sv2feedelta=-1", ": it has no valid value: a whole number up to 2100000000000000."},
             {"-chain=litecoin", ": there is no such chain: main, test, testnet4, signet, regtest."},
             {"-plaintext=yes", ": this is either 1 or 0."},
             {"-nosv2port", ": there is no such option."},
             {"-solv", ": there is no such option."},
             {"-debug=wallet", ": there is no such category: sv2, ipc, net, all, none."},
             {"-loglevel=loud", ": there is no such level: info, debug, trace."},
             {"-sv2exempt=10.0.0.0/33", ": this is neither an address nor <address>/<bits>."},
             {"-sv2certvalidity=0", ": at least a second."}}) {
        CHECK_EQUAL(refusal({argument}), "'" + argument + "'" + why);
    }
    CHECK_EQUAL(refusal({"regtest"}), std::string{"'regtest' is not an option: options begin with a dash."});
    CHECK_EQUAL(refusal({"-regtest", "-chain=regtest"}),
                std::string{"At most one of -chain, -regtest, -testnet, -testnet4 and -signet can be said."});
    CHECK_EQUAL(refusal({"-datadir=/nowhere/at/all"}), std::string{"The data directory /nowhere/at/all does not exist."});
}

void the_command_line_wins_over_the_section_and_the_section_over_the_beginning() {
    const Configured at{"# a comment\n\nregtest=1\nsv2feedelta=1 # and another\nsv2feedelta=2\ntemplateinterval = 7\nmempool=3\n"
                        "[regtest]\nsv2feedelta=4\nsv2feedelta=5\nmempool=6\n[signet]\ntemplateinterval=8\n"};
    const Options read = options({at.datadir(), "-mempool=9", "-mempool=10", "-blockwork=26"});
    CHECK_EQUAL(read.network->name, std::string_view{"regtest"});
    CHECK_EQUAL(read.fee_delta, 4U);
    CHECK_EQUAL(read.template_interval.count(), 7);
    CHECK_EQUAL(read.mempool, 10U);
    CHECK_EQUAL(read.block_work, 26U);
    CHECK_EQUAL(read.notices.size(), 1U);
}

void a_port_at_the_beginning_of_the_file_is_for_the_main_network() {
    const Configured at{"sv2port=7\ntest.sv2port=8\n"};
    CHECK_EQUAL(options({at.datadir()}).port, 7);
    CHECK_EQUAL(options({at.datadir(), "-testnet"}).port, 8);
    const Options read = options({at.datadir(), "-signet"});
    CHECK_EQUAL(read.port, 38442);
    CHECK_EQUAL(read.notices.back(), at.file() + ", line 1 ('sv2port=7') is not used: put it under [signet]");
}

void what_is_wrong_in_the_file_is_named_with_its_line() {
    const auto why = [](const std::string& text, const std::string& line, const std::string& expected) {
        const Configured at{text};
        CHECK_EQUAL(refusal({at.datadir(), "-regtest"}), at.file() + ", line " + line + expected);
    };
    why("\nsv2prot=1\n", "2", " ('sv2prot=1'): there is no such option.");
    why("[regtest]\nsv2port=x # why not\n", "2", " ('sv2port=x'): it has no valid value: a whole number up to 65535.");
    why("[moon]\n", "1", " ('[moon]'): there is no such network.");
    why("moon.sv2port=1\n", "1", " ('moon.sv2port=1'): there is no such network.");
    why("-sv2port=1\n", "1", " ('-sv2port=1'): options are written without a dash here.");
    why("plaintext\n", "1", " ('plaintext'): this is not name=value.");
    why("conf=other\n", "1", " ('conf=other'): this cannot stand in a configuration file.");
}

void the_file_can_be_another_or_none() {
    const Configured at{"mempool=1\n", "other.conf"};
    std::ofstream{at.file()} << "nonsense\n";
    CHECK_EQUAL(options({at.datadir(), "-regtest", "-conf=other.conf"}).mempool, 1U);
    CHECK_EQUAL(options({at.datadir(), "-regtest", "-conf=" + (at.directory.path() / "other.conf").string()}).mempool, 1U);
    CHECK_EQUAL(options({at.datadir(), "-regtest", "-conf=0"}).mempool, 200U);
    CHECK_EQUAL(options({at.datadir(), "-regtest", "-noconf"}).mempool, 200U);
    CHECK_EQUAL(refusal({at.datadir(), "-regtest", "-conf=missing"}),
                "The configuration file " + (at.directory.path() / "missing").string() + " cannot be read.");
}

void the_log_says_as_much_as_was_asked_for() {
    const auto levels = [](Arguments arguments) {
        arguments.push_back("-regtest");
        return options(arguments).log.levels;
    };
    using Levels = std::array<host::Level, host::category_count>;
    constexpr auto i = host::Level::info, d = host::Level::debug, t = host::Level::trace;
    CHECK((levels({}) == Levels{i, i, i}));
    CHECK((levels({"-debug"}) == Levels{d, d, d}));
    CHECK((levels({"-debug=sv2", "-loglevel=sv2:trace"}) == Levels{t, i, i}));
    CHECK((levels({"-debug=1", "-debugexclude=net", "-loglevel=trace"}) == Levels{t, t, i}));
    CHECK((levels({"-debug=ipc", "-debug=0", "-debug=net", "-debug=rand"}) == Levels{i, i, d}));
    CHECK((levels({"-loglevel=trace"}) == Levels{i, i, i}));
    CHECK((levels({"-debug", "-nodebug"}) == Levels{i, i, i}));
    CHECK(options({"-regtest"}).log.shrink_file);
    CHECK(!options({"-regtest", "-debug"}).log.shrink_file);
    CHECK(options({"-regtest", "-debuglogfile=0"}).log.file.empty());
}

void a_negation_on_the_command_line_takes_back_what_the_file_says() {
    using Levels = std::array<host::Level, host::category_count>;
    constexpr auto i = host::Level::info, d = host::Level::debug;
    const Configured at{"debug=1\n[regtest]\nnodebug=1\ndebug=net\n"};
    CHECK((options({at.datadir(), "-regtest", "-nodebug"}).log.levels == Levels{i, i, i}));
    CHECK((options({at.datadir(), "-regtest", "-nodebug", "-debug=sv2"}).log.levels == Levels{d, i, i}));
    CHECK((options({at.datadir(), "-regtest"}).log.levels == Levels{i, i, d}));
    CHECK((options({at.datadir(), "-signet"}).log.levels == Levels{d, d, d}));
}

void all_options_of_sv2_tp_are_accepted() {
    options({"-regtest", "-logips", "-nologtimestamps", "-logtimemicros=1", "-loglevelalways", "-logthreadnames",
             "-logsourcelocations=1", "-printtoconsole=0", "-shrinkdebugfile", "-pid=x", "-debuglogfile=/tmp/x"});
}

void addresses_can_be_exempted() {
    const auto exempt = options({"-regtest", "-sv2exempt=192.0.2.0/25", "-sv2exempt=2001:db8::/33", "-sv2exempt=::1"}).limits.exempt;
    CHECK_EQUAL(exempt.size(), 3U);
    const auto contains = [](const host::Subnet& subnet, const char* address) {
        return subnet.contains(asio::ip::make_address(address));
    };
    CHECK(contains(exempt[0], "192.0.2.127"));
    CHECK(contains(exempt[0], "::ffff:192.0.2.127"));
    CHECK(!contains(exempt[0], "192.0.2.128"));
    CHECK(!contains(exempt[0], "c000:200::"));
    CHECK(contains(exempt[1], "2001:db8:7fff::1"));
    CHECK(!contains(exempt[1], "2001:db8:8000::1"));
    CHECK(contains(exempt[2], "::1"));
    CHECK(!contains(exempt[2], "::2"));
}

}  // namespace

int main() {
    const Directory home;
    ::setenv("HOME", home.path().c_str(), 1);
    return run({
        {"each network has the port and the directory of sv2-tp", each_network_has_the_port_and_the_directory_of_sv2_tp},
        {"nothing said means what it means to sv2-tp", nothing_said_means_what_it_means_to_sv2_tp},
        {"the embedded chain is for regtest without a node", the_embedded_chain_is_for_regtest_without_a_node},
        {"addresses to listen on are read as sv2-tp reads them", addresses_to_listen_on_are_read_as_sv2_tp_reads_them},
        {"what makes no sense is refused with a sentence", what_makes_no_sense_is_refused_with_a_sentence},
        {"the command line wins over the section and the section over the beginning", the_command_line_wins_over_the_section_and_the_section_over_the_beginning},
        {"a port at the beginning of the file is for the main network", a_port_at_the_beginning_of_the_file_is_for_the_main_network},
        {"what is wrong in the file is named with its line", what_is_wrong_in_the_file_is_named_with_its_line},
        {"the file can be another or none", the_file_can_be_another_or_none},
        {"the log says as much as was asked for", the_log_says_as_much_as_was_asked_for},
        {"a negation on the command line takes back what the file says", a_negation_on_the_command_line_takes_back_what_the_file_says},
        {"all options of sv2-tp are accepted", all_options_of_sv2_tp_are_accepted},
        {"addresses can be exempted", addresses_can_be_exempted},
    });
}
