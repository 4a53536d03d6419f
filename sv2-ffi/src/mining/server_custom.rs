//! What the host of a mining server says of custom jobs.

use sv2_core::mining::server::Server;

use super::server::{Failure, call, sv2_mining_server};
use super::server_host::text_of;
use crate::{sv2_status, sv2_str, sv2_time};

/// Accepts the job of a SV2_MINING_SERVER_EVENT_SET_CUSTOM_MINING_JOB: the pool will pay for it. The client is told its job_id, which
/// `*job_id` becomes; one that is the same as another of the channel is that one.
///
/// Returns SV2_NOT_FOUND if no such request waits for an answer; SV2_STALE if the tip has changed meanwhile, or there are too many,
/// and SV2_ERROR_ARGUMENT if it cannot be mined, of both of which the client was told.
///
/// # Safety
/// `server` is live, `job_id` is writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_accept_custom_job(
    server: *mut sv2_mining_server,
    connection: u64,
    request_id: u32,
    now: sv2_time,
    job_id: *mut u32,
) -> sv2_status {
    let body = |this: &mut Server| -> Result<(), Failure> {
        let accepted = this.accept_custom_job(connection, request_id, now.into())?;
        if let Some(job_id) = unsafe { job_id.as_mut() } {
            *job_id = accepted;
        }
        Ok(())
    };
    unsafe { call(server, body) }
}

/// Refuses the job of a SV2_MINING_SERVER_EVENT_SET_CUSTOM_MINING_JOB with an error code of spec 5.3.20, such as
/// "invalid-mining-job-token".
///
/// Returns SV2_NOT_FOUND if no such request waits for an answer, SV2_ERROR_ARGUMENT if the code is not UTF-8 or has more than 255
/// bytes.
///
/// # Safety
/// `server` is live, `error_code` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_refuse_custom_job(
    server: *mut sv2_mining_server,
    connection: u64,
    request_id: u32,
    error_code: sv2_str,
    now: sv2_time,
) -> sv2_status {
    let body = |this: &mut Server| -> Result<(), Failure> {
        let error_code = unsafe { text_of(error_code) }?;
        Ok(this.refuse_custom_job(connection, request_id, error_code, now.into())?)
    };
    unsafe { call(server, body) }
}
