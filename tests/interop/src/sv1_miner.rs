//! A miner of Stratum V1, which knows nothing of V2: it shows that what comes out of a translator is work that an old miner
//! can do.

use std::error::Error;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stratum_core::bitcoin::block::{Header, Version};
use stratum_core::bitcoin::hashes::{Hash, sha256d};
use stratum_core::bitcoin::{BlockHash, CompactTarget, Target, TxMerkleNode};

/// How long a read waits before the caller's deadline is looked at.
const PAUSE: Duration = Duration::from_millis(50);
/// The value of difficulty 1, 0xffff << 208.
const DIFFICULTY_1: f64 = 65_535.0 * (1_u128 << 104) as f64 * (1_u128 << 104) as f64;
/// The bits of a version that the miner asks to roll (BIP 320).
const VERSION_MASK: u32 = 0x1fff_e000;

/// One connection, subscribed and authorized.
pub struct Sv1Miner {
    reader: BufReader<TcpStream>,
    user: String,
    /// What has been read of a line.
    line: Vec<u8>,
    next_id: u64,
    extranonce1: Vec<u8>,
    extranonce2_size: usize,
    /// The bits that may be rolled.
    version_mask: u32,
    difficulty: f64,
    job: Option<Job>,
    /// Counts the extranonces and the rolled versions, so that no share is found twice.
    searches: u32,
}

/// The parameters of `mining.notify`.
#[derive(Clone)]
struct Job {
    id: String,
    prev_hash: BlockHash,
    coinbase1: Vec<u8>,
    coinbase2: Vec<u8>,
    branch: Vec<[u8; 32]>,
    version: u32,
    bits: u32,
    time: u32,
    /// The difficulty that was set when the job came.
    difficulty: f64,
}

impl Sv1Miner {
    /// Connects to the pool at `address`, agrees on version rolling (BIP 310), subscribes and authorizes.
    ///
    /// # Errors
    /// What the pool refused or did not answer within `timeout`.
    pub fn connect(address: &str, user: &str, timeout: Duration) -> Result<Sv1Miner, Box<dyn Error>> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PAUSE))?;
        let mut miner = Sv1Miner {
            reader: BufReader::new(stream),
            user: user.into(),
            line: Vec::new(),
            next_id: 1,
            extranonce1: Vec::new(),
            extranonce2_size: 0,
            version_mask: 0,
            difficulty: 1.0,
            job: None,
            searches: 0,
        };
        let mask = format!("{VERSION_MASK:08x}");
        let asked = json!([["version-rolling"], {"version-rolling.mask": mask, "version-rolling.min-bit-count": 0}]);
        let configured = miner.request("mining.configure", asked, timeout)?;
        if configured["version-rolling"] == json!(true) {
            miner.version_mask = number(&configured["version-rolling.mask"])?;
        }
        let subscribed = miner.request("mining.subscribe", json!(["a miner in a test"]), timeout)?;
        miner.extranonce1 = bytes(&subscribed[1])?;
        miner.extranonce2_size = usize::try_from(subscribed[2].as_u64().ok_or("no extranonce2_size")?)?;
        let authorized = miner.request("mining.authorize", json!([user, "x"]), timeout)?;
        if authorized == json!(true) { Ok(miner) } else { Err(format!("not authorized: {authorized}").into()) }
    }

    /// Finds a share that is a block as well, submits it and waits for the answer; the block's hash, as people print it.
    ///
    /// # Errors
    /// That there is no job within `timeout`, or how the share was refused.
    pub fn mine_block(&mut self, timeout: Duration) -> Result<String, Box<dyn Error>> {
        let deadline = Instant::now() + timeout;
        self.read_what_there_is()?;
        while self.job.is_none() {
            if Instant::now() > deadline {
                return Err("no job".into());
            }
            self.read_what_there_is()?;
        }
        let job = self.job.clone().ok_or("no job")?;
        self.searches += 1;
        let mut extranonce2 = vec![0; self.extranonce2_size];
        for (byte, count) in extranonce2.iter_mut().zip(self.searches.to_le_bytes()) {
            *byte = count;
        }
        let rolled = (self.searches << 13) & self.version_mask;
        let header = job.solve(&[&self.extranonce1[..], &extranonce2].concat(), rolled, self.version_mask);
        let mut share = vec![
            json!(self.user),
            json!(job.id),
            json!(hex::encode(extranonce2)),
            json!(format!("{:08x}", header.time)),
            json!(format!("{:08x}", header.nonce)),
        ];
        if self.version_mask != 0 {
            share.push(json!(format!("{rolled:08x}")));
        }
        let answer = self.request("mining.submit", Value::Array(share), timeout)?;
        if answer == json!(true) {
            Ok(header.block_hash().to_string())
        } else {
            Err(format!("the share was refused: {answer}").into())
        }
    }

    /// Whether the miner may roll bits of the version.
    pub fn rolls_versions(&self) -> bool {
        self.version_mask != 0
    }

    /// Waits for the job that builds upon the block with this hash.
    ///
    /// # Errors
    /// That there is none within `timeout`.
    pub fn wait_for_tip(&mut self, hash: &str, timeout: Duration) -> Result<(), Box<dyn Error>> {
        let deadline = Instant::now() + timeout;
        while self.job.as_ref().is_none_or(|job| job.prev_hash.to_string() != hash) {
            if Instant::now() > deadline {
                return Err(format!("no job upon {hash}").into());
            }
            self.read_what_there_is()?;
        }
        Ok(())
    }

    fn request(&mut self, method: &str, params: Value, timeout: Duration) -> Result<Value, Box<dyn Error>> {
        let id = self.next_id;
        self.next_id += 1;
        let request = json!({"id": id, "method": method, "params": params});
        writeln!(self.reader.get_mut(), "{request}")?;
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(message) = self.read_message()? {
                if message["method"].is_string() {
                    self.hear(&message)?;
                } else if message["id"] == json!(id) {
                    let error = &message["error"];
                    return if error.is_null() {
                        Ok(message["result"].clone())
                    } else {
                        Err(format!("{method}: {error}").into())
                    };
                }
            } else if Instant::now() > deadline {
                return Err(format!("{method} is not answered").into());
            }
        }
    }

    fn read_what_there_is(&mut self) -> Result<(), Box<dyn Error>> {
        while let Some(message) = self.read_message()? {
            if message["method"].is_string() {
                self.hear(&message)?;
            }
        }
        Ok(())
    }

    /// The next message, or nothing if none comes within [`PAUSE`].
    fn read_message(&mut self) -> Result<Option<Value>, Box<dyn Error>> {
        match self.reader.read_until(b'\n', &mut self.line) {
            Ok(0) => Err("the pool has hung up".into()),
            Ok(_) if self.line.ends_with(b"\n") => {
                let message = serde_json::from_slice(&self.line)?;
                self.line.clear();
                Ok(Some(message))
            }
            Ok(_) => Ok(None),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Does what a notification says.
    fn hear(&mut self, message: &Value) -> Result<(), Box<dyn Error>> {
        let params = &message["params"];
        match message["method"].as_str() {
            Some("mining.set_difficulty") => {
                self.difficulty = params[0].as_f64().ok_or("a difficulty that is no number")?;
            }
            Some("mining.set_extranonce") => {
                self.extranonce1 = bytes(&params[0])?;
                self.extranonce2_size = usize::try_from(params[1].as_u64().ok_or("no extranonce2_size")?)?;
            }
            Some("mining.set_version_mask") => self.version_mask = number(&params[0])?,
            Some("mining.notify") => self.job = Some(Job::new(params, self.difficulty)?),
            _ => {}
        }
        Ok(())
    }
}

impl Job {
    fn new(params: &Value, difficulty: f64) -> Result<Job, Box<dyn Error>> {
        // The bytes of a header, but each word of four of them reversed.
        let mut prev_hash = bytes(&params[1])?;
        prev_hash.chunks_mut(4).for_each(<[u8]>::reverse);
        let branch = params[4].as_array().ok_or("no merkle branch")?;
        let hash = |value: &Value| -> Result<[u8; 32], Box<dyn Error>> {
            bytes(value)?.try_into().map_err(|_| "a hash of another length".into())
        };
        Ok(Job {
            id: params[0].as_str().ok_or("no job id")?.into(),
            prev_hash: BlockHash::from_slice(&prev_hash)?,
            coinbase1: bytes(&params[2])?,
            coinbase2: bytes(&params[3])?,
            branch: branch.iter().map(hash).collect::<Result<_, _>>()?,
            version: number(&params[5])?,
            bits: number(&params[6])?,
            time: number(&params[7])?,
            difficulty,
        })
    }

    /// The header with this extranonce and these bits of the version rolled, and a nonce with which it meets both the job's
    /// difficulty and the network's.
    fn solve(&self, extranonce: &[u8], rolled: u32, mask: u32) -> Header {
        let coinbase = sha256d::Hash::hash(&[&self.coinbase1, extranonce, &self.coinbase2].concat()).to_byte_array();
        let root = self
            .branch
            .iter()
            .fold(coinbase, |left, right| sha256d::Hash::hash(&[left, *right].concat()).to_byte_array());
        let version = (self.version & !mask) | (rolled & mask);
        let mut header = Header {
            version: Version::from_consensus(version.cast_signed()),
            prev_blockhash: self.prev_hash,
            merkle_root: TxMerkleNode::from_byte_array(root),
            time: self.time,
            bits: CompactTarget::from_consensus(self.bits),
            nonce: 0,
        };
        let network = Target::from_compact(header.bits);
        loop {
            let hash = header.block_hash();
            if network.is_met_by(hash) && self.is_met_by(hash) {
                return header;
            }
            header.nonce += 1;
        }
    }

    /// Whether a hash has the job's difficulty. What is on the very edge is left out: a difficulty is a rounded number.
    fn is_met_by(&self, hash: BlockHash) -> bool {
        let value = hash.to_byte_array().iter().rev().fold(0.0, |value, byte| value * 256.0 + f64::from(*byte));
        value * self.difficulty < DIFFICULTY_1 * 0.999
    }
}

fn bytes(value: &Value) -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(hex::decode(value.as_str().ok_or("no text")?)?)
}

/// A number as it stands there in hex, the most significant digit first.
fn number(value: &Value) -> Result<u32, Box<dyn Error>> {
    Ok(u32::from_str_radix(value.as_str().ok_or("no text")?, 16)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Job;

    /// Block 1 of Bitcoin's chain, as a pool would have announced it.
    #[test]
    fn a_job_is_solved_as_the_chain_solved_it() {
        let job = Job::new(
            &json!([
                "1",
                "0a8ce26f72b3f1b646a2a6c14ff763ae65831e939c085ae10019d66800000000",
                "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0704ffff001d",
                "ffffffff0100f2052a0100000043410496b538e853519c726a2c91e61ec11600ae1390813a627c66fb8be7947be63c52da7589379515d4e0a604f8141781e62294721166bf621e73a82cbf2342c858eeac00000000",
                [],
                "00000001",
                "207fffff",
                "4966bc61",
                true
            ]),
            1e-9,
        )
        .unwrap();
        let header = job.solve(&[1, 4], 0, 0);
        assert_eq!(header.merkle_root.to_string(), "0e3e2357e806b6cdb1f70b54c3a3a17b6714ee1f0e68bebb44a74b1efd512098");
        assert_eq!(
            header.prev_blockhash.to_string(),
            "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
        );
        assert_eq!(header.time, 1_231_469_665);
    }
}
