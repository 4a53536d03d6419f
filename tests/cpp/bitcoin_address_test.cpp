// Addresses and their scripts: the test vectors of BIP 173 and BIP 350, and base58check addresses of both kinds.
#include <array>
#include <string>

#include "check.hpp"
#include "host/bitcoin_address.hpp"

using host::AddressNetwork;

namespace {

std::string script_of(std::string_view address, AddressNetwork network) {
    std::string error;
    const auto script = host::script_of_address(address, network, error);
    return script ? host::hex(*script) : error;
}

constexpr auto main_network = AddressNetwork::main;
constexpr auto test = AddressNetwork::test;
constexpr auto regtest = AddressNetwork::regtest;

void the_valid_addresses_of_bip_350_are_read() {
    CHECK_EQUAL(script_of("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", main_network),
                "0014751e76e8199196d454941c45d1b3a323f1433bd6");
    CHECK_EQUAL(script_of("tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7", test),
                "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262");
    CHECK_EQUAL(
        script_of("bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y", main_network),
        "5128751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6");
    CHECK_EQUAL(script_of("BC1SW50QGDZ25J", main_network), "6002751e");
    CHECK_EQUAL(script_of("bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", main_network),
                "5210751e76e8199196d454941c45d1b3a323");
    CHECK_EQUAL(script_of("tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy", test),
                "0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433");
    CHECK_EQUAL(script_of("tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c", test),
                "5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433");
    CHECK_EQUAL(script_of("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", main_network),
                "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
    CHECK_EQUAL(script_of("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", regtest),
                "0014751e76e8199196d454941c45d1b3a323f1433bd6");
}

void the_invalid_addresses_of_bip_350_are_refused_for_what_is_wrong_with_them() {
    struct Invalid {
        std::string_view address;
        AddressNetwork network;
        std::string_view reason;
    };
    constexpr std::string_view mistyped = "it is mistyped: its checksum is wrong";
    constexpr std::string_view no_program = "it holds no witness program";
    constexpr std::string_view mixed = "an address is all in small letters or all in capitals";
    const auto invalid = std::to_array<Invalid>({
        {"tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut", main_network, "it is not an address"},
        {"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd", main_network, mistyped},
        {"tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf", test, mistyped},
        {"BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL", main_network, mistyped},
        {"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh", main_network, mistyped},
        {"tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47", test, mistyped},
        {"bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4", main_network, "there is no 'o' in an address"},
        {"BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R", main_network, no_program},
        {"bc1pw5dgrnzv", main_network, no_program},
        {"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav", main_network, no_program},
        {"BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P", main_network, no_program},
        {"tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq", test, mixed},
        {"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf", main_network, no_program},
        {"tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j", test, no_program},
        {"bc1gmk9yu", main_network, "it is too short"},
    });
    for (const Invalid& each : invalid) CHECK_EQUAL(script_of(each.address, each.network), each.reason);
}

void base58check_addresses_are_read() {
    CHECK_EQUAL(script_of("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", main_network),
                "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac");
    CHECK_EQUAL(script_of("1111111111111111111114oLvT2", main_network),
                "76a914000000000000000000000000000000000000000088ac");
    CHECK_EQUAL(script_of("3P14159f73E4gFr7JterCCQh9QjiTjiZrG", main_network),
                "a914e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a87");
    CHECK_EQUAL(script_of("mo9ncXisMeAoXwqcV5EWuyncbmCcQN4rVs", test),
                "76a91453c0307d6851aa0ce7825ba883c6bd9ad242b48688ac");
    CHECK_EQUAL(script_of("2N2JD6wb56AfK4tfmM6PwdVmoYk2dCKf4Br", regtest),
                "a9146349a418fc4578d10a372b54b45c280cc8c4382f87");
}

void what_is_no_base58check_address_is_refused() {
    constexpr std::string_view none = "it is not an address";
    CHECK_EQUAL(script_of("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", main_network), "it is mistyped: its checksum is wrong");
    CHECK_EQUAL(script_of("1A1zP1eP5QGefi2DMPTfTL5SLmv7Divf0a", main_network), none);
    CHECK_EQUAL(script_of("1A1zP1eP5QGefi2DMPTfTL5SLmv7Divf", main_network), none);
    CHECK_EQUAL(script_of("", main_network), none);
    CHECK_EQUAL(script_of("1", main_network), none);
    CHECK_EQUAL(script_of(std::string(10'000, 'z'), main_network), none);
    CHECK_EQUAL(script_of(std::string(10'000, '1'), main_network), none);
}

void an_address_of_another_network_says_so() {
    CHECK_EQUAL(script_of("tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7", main_network),
                "it is an address of testnet or signet, not of the main network");
    CHECK_EQUAL(script_of("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", regtest),
                "it is an address of the main network, not of regtest");
    CHECK_EQUAL(script_of("mo9ncXisMeAoXwqcV5EWuyncbmCcQN4rVs", main_network),
                "it is an address of testnet or signet, not of the main network");
}

}  // namespace

int main() {
    return run({
        {"the valid addresses of BIP 350 are read", the_valid_addresses_of_bip_350_are_read},
        {"the invalid addresses of BIP 350 are refused for what is wrong with them",
         the_invalid_addresses_of_bip_350_are_refused_for_what_is_wrong_with_them},
        {"base58check addresses are read", base58check_addresses_are_read},
        {"what is no base58check address is refused", what_is_no_base58check_address_is_refused},
        {"an address of another network says so", an_address_of_another_network_says_so},
    });
}
