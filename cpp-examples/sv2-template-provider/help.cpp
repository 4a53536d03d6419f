// The text of -help.
#include <sv2.h>

#include "options.hpp"

std::string help_text() {
    return R"(sv2-template-provider: hands out block templates over Stratum V2 (version )" SV2_VERSION R"()

  sv2-template-provider -regtest             on an embedded regtest chain: nothing needs to be installed
  sv2-template-provider -ipcconnect=unix     on your Bitcoin Core, started as: bitcoin -m node -ipcbind=unix

It takes the place of sv2-tp: the options, their defaults, the configuration file and the keys are the same.

The node:
  -ipcconnect=<address>     Bitcoin Core's socket: unix for node.sock in the network's data directory, unix:<path> for
                            another one (default: unix; on regtest without this option, the embedded chain)

The embedded regtest chain mines its own first blocks and fills its mempool with real transactions. Every block of it
stands in blocks.hex.
  -mempool=<n>              Transactions in the embedded mempool after every block (default: 200)
  -txinterval=<ms>          Time between new transactions, 0 for none (default: 500)
  -blockwork=<n>            A block takes about 2^<n> hashes, so that not every share is one; the nBits are not those of
                            regtest then. For a data directory of its own (default: 0, as regtest: 2 hashes)

The network:
  -chain=<chain>            main, test, testnet4, signet or regtest (default: main)
  -testnet, -testnet4, -signet, -regtest
                            The same as -chain=test and so on

Clients:
  -sv2bind=<addr>[:<port>]  Address to listen on, [<addr>]:<port> for IPv6 (default: 127.0.0.1)
  -sv2port=<port>           Port to listen on, 0 for any free one (default: 8442, testnet3: 18442, testnet4: 48442,
                            signet: 38442, regtest: 18447)
  -sv2maxclients=<n>        Most clients at once (default: 1000)
  -sv2maxclientsperaddress=<n>
                            ... from one address (default: 100)
  -sv2maxhandshakes=<n>     Most connections at once that are not set up (default: 256)
  -sv2maxhandshakesperaddress=<n>
                            ... from one address (default: 30)
  -sv2maxconnectionsperminute=<n>
                            How often one address may connect in a minute (default: 30)
  -sv2maxrequestspersecond=<n>
                            How many messages a client may send in a second, in the long run (default: 20)
  -sv2exempt=<address>[/<bits>]
                            Clients from here do not count for their address, as many behind one router would; can be
                            given several times
  -sv2countloopback         Count connections from this machine for their address, too (default: 0)
  -sv2certvalidity=<s>      How long a certificate is good, in seconds; it is renewed when half of that is over
                            (default: 2592000, 30 days)
  -plaintext                No encryption, for a network in which everybody is trusted

Templates:
  -sv2feedelta=<sat>        Send a better template when its fees rose by so much (default: 1000)
  -templateinterval=<s>     ... but no more often than this, in seconds (default: 5); new blocks are sent at once

Files:
  -datadir=<dir>            Bitcoin Core's data directory (default: ~/.bitcoin; for the embedded chain
                            ~/.sv2-template-provider). What belongs to a network other than main is in the directory
                            testnet3, testnet4, signet or regtest in it:
                              sv2_authority_key, sv2_static_key   the keys; clients know the first one
                              sv2_solutions                       a line for each block that was found
                              sv2_blocks/<hash>.hex               the blocks, as bitcoin-cli submitblock takes them, if
                                                                  the node has told their transactions
  -conf=<file>              Configuration file, in the data directory unless its path is absolute; 0 for none (default:
                            sv2-tp.conf). It has lines name=value, comments after #, and sections such as [regtest].
                            The command line wins.
  -pid=<file>               File for the process id, 0 for none (default: sv2-tp.pid)

The log:
  -debug=<category>         Say more: about sv2 (clients and templates), ipc (the node), net (sockets), or all; 0 or none
                            takes back what was said before. Can be given several times.
  -debugexclude=<category>  ... but not about this
  -loglevel=<level>, -loglevel=<category>:<level>
                            How much more: info, debug or trace (default: debug)
  -debuglogfile=<file>      0 for none (default: sv2-debug.log)
  -printtoconsole           Write the log to the terminal (default: 1)
  -shrinkdebugfile          Keep only the end of a long log file at start (default: 1 without -debug)
  -logips                   Say the clients' addresses (default: 0)
  -logtimestamps            Begin lines with the time (default: 1)
  -logtimemicros            ... in microseconds (default: 0)
  -loglevelalways           Say category and level in every line (default: 0)
Accepted because sv2-tp has them, without effect: -logthreadnames, -logsourcelocations, and the categories bench and rand.

  -help, -version

What can be switched is off as -<name>=0 or -no<name>.

It prints its authority key, which clients must know, and for each solved block "block <hash> accepted at height <n>".
SIGINT and SIGTERM end it, a second one at once; SIGHUP has it begin the log file anew, for those who rotate logs. It ends
with a failure when it cannot do its job, and says why; while the node is away it keeps its clients and waits for it, and
hands it the blocks that were found meanwhile. A block that was not seen accepted when the program ended or was killed is
not handed in again by itself: the next start says so, and how it is done by hand.
)";
}
