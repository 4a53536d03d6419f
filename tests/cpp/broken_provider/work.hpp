// A template with its transactions, as the broken provider hands it out.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <host/regtest_chain.hpp>
#include <sv2-template-check/messages.hpp>

#include "faults.hpp"

struct Work {
    NewTemplate made;
    SetNewPrevHash tip{};
    std::vector<host::Bytes> transactions;
    std::shared_ptr<const host::Template> of_chain;
};

// A template for these constraints on the chain's tip, with what the fault does to templates.
Work make_work(const host::RegtestChain& chain, const sv2_coinbase_output_constraints& constraints,
               std::uint64_t template_id, Fault fault);

// Puts one more transaction before the others.
void add_transaction(Work& work, const host::Bytes& transaction);
