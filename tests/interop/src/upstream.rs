//! A pool and its job declarator server that agree to everything, made of the other implementation's own crates: what
//! SRI's `jd_client_sv2` needs to declare jobs. SRI's own job declarator server needs a Bitcoin Core node.

use std::io;
use std::net::TcpListener;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use stratum_core::bitcoin::consensus::encode::serialize;
use stratum_core::bitcoin::{Amount, ScriptBuf, TxOut};
use stratum_core::common_messages_sv2::SetupConnectionSuccessOwned;
use stratum_core::job_declaration_sv2::{
    AllocateMiningJobTokenSuccessOwned, DeclareMiningJobOwned, DeclareMiningJobSuccessOwned,
};
use stratum_core::mining_sv2::{OpenExtendedMiningChannelSuccessOwned, SetCustomMiningJobSuccessOwned};
use stratum_core::parsers_sv2::{AnyMessageOwned, CommonMessagesOwned, JobDeclarationOwned, MiningOwned};

use crate::role::REWARD_SCRIPT;
use crate::their_server::{TheirServer, authority_key};

/// Where a job declarator client finds its pool and the pool's job declarator server, both on 127.0.0.1.
pub struct Upstream {
    /// The authority key of both, in base58check.
    pub authority_key: String,
    /// The pool's port.
    pub pool_port: u16,
    /// The job declarator server's port.
    pub jds_port: u16,
}

/// Starts both, which serve until the program ends. Every declared job comes out of the channel.
///
/// # Errors
/// That one of them cannot listen.
pub fn agreeing() -> io::Result<(Upstream, Receiver<DeclareMiningJobOwned>)> {
    let (declared, declarations) = mpsc::channel();
    let pool_port = serve(|message| pool_answers(message).into_iter().collect())?;
    let jds_port = serve(move |message| jds_answers(message, &declared).into_iter().collect())?;
    Ok((Upstream { authority_key: authority_key(), pool_port, jds_port }, declarations))
}

/// Answers the messages of every client that connects to the port it returns.
fn serve(answers: impl Fn(AnyMessageOwned) -> Vec<AnyMessageOwned> + Clone + Send + 'static) -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answers = answers.clone();
            thread::spawn(move || {
                let mut client = TheirServer::accept(stream);
                while let Some(message) = client.receive() {
                    answers(message).into_iter().for_each(|answer| client.send(answer));
                }
            });
        }
    });
    Ok(port)
}

fn pool_answers(message: AnyMessageOwned) -> Option<AnyMessageOwned> {
    let answer = match message {
        AnyMessageOwned::Common(CommonMessagesOwned::SetupConnection(_)) => return Some(setup_success(0)),
        AnyMessageOwned::Mining(MiningOwned::OpenExtendedMiningChannel(open)) => {
            MiningOwned::OpenExtendedMiningChannelSuccess(OpenExtendedMiningChannelSuccessOwned {
                request_id: open.request_id,
                channel_id: 2,
                target: [0xff; 32].into(),
                extranonce_size: 16,
                extranonce_prefix: vec![1, 2, 3, 4].try_into().expect("at most 32 bytes"),
                group_channel_id: 1,
            })
        }
        AnyMessageOwned::Mining(MiningOwned::SetCustomMiningJob(job)) => {
            MiningOwned::SetCustomMiningJobSuccess(SetCustomMiningJobSuccessOwned {
                channel_id: job.channel_id,
                request_id: job.request_id,
                job_id: job.request_id,
            })
        }
        // Shares: a pool may answer them in batches of any size.
        _ => return None,
    };
    Some(AnyMessageOwned::Mining(answer))
}

fn jds_answers(message: AnyMessageOwned, declared: &Sender<DeclareMiningJobOwned>) -> Option<AnyMessageOwned> {
    let answer = match message {
        // With DECLARE_TX_DATA (spec 6.4.1).
        AnyMessageOwned::Common(CommonMessagesOwned::SetupConnection(_)) => return Some(setup_success(1)),
        AnyMessageOwned::JobDeclaration(JobDeclarationOwned::AllocateMiningJobToken(allocate)) => {
            let reward = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from(REWARD_SCRIPT.to_vec()) };
            JobDeclarationOwned::AllocateMiningJobTokenSuccess(AllocateMiningJobTokenSuccessOwned {
                request_id: allocate.request_id,
                mining_job_token: token(allocate.request_id).try_into().expect("at most 255 bytes"),
                coinbase_outputs: serialize(&vec![reward]).try_into().expect("at most 64 KiB"),
            })
        }
        AnyMessageOwned::JobDeclaration(JobDeclarationOwned::DeclareMiningJob(declare)) => {
            let request_id = declare.request_id;
            // Nobody listens any more once the test is over.
            let _ = declared.send(declare);
            JobDeclarationOwned::DeclareMiningJobSuccess(DeclareMiningJobSuccessOwned {
                request_id,
                new_mining_job_token: token(request_id).try_into().expect("at most 255 bytes"),
            })
        }
        // PushSolution: the template provider has the block as well.
        _ => return None,
    };
    Some(AnyMessageOwned::JobDeclaration(answer))
}

fn setup_success(flags: u32) -> AnyMessageOwned {
    AnyMessageOwned::Common(SetupConnectionSuccessOwned { used_version: 2, flags }.into())
}

fn token(request_id: u32) -> Vec<u8> {
    request_id.to_le_bytes().to_vec()
}
