//! A client of templates on a plain TCP connection, which does what no good client does.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use sv2_core::frame::{HEADER_LEN, Header};
use sv2_core::message::{CoinbaseOutputConstraints, PROTOCOL_TEMPLATE_DISTRIBUTION, Payload, SetupConnection};

use crate::messages::our_frame;

/// How long a read waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// The client's end of the connection.
pub struct PlainClient {
    /// The connection; it reads for [`PATIENCE`] at most.
    pub stream: TcpStream,
}

impl PlainClient {
    /// Connects and says nothing.
    pub fn connect(address: &str) -> io::Result<PlainClient> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(PlainClient { stream })
    }

    /// Connects, sets the connection up and asks for templates; the provider's answers are yet to be read.
    pub fn with_templates(address: &str) -> io::Result<PlainClient> {
        let mut client = PlainClient::connect(address)?;
        client.send(&SetupConnection {
            protocol: PROTOCOL_TEMPLATE_DISTRIBUTION,
            min_version: 2,
            max_version: 2,
            ..Default::default()
        })?;
        client.send(&CoinbaseOutputConstraints {
            coinbase_output_max_additional_size: 100,
            coinbase_output_max_additional_sigops: 4,
        })?;
        Ok(client)
    }

    /// Sends a message.
    pub fn send<'m>(&mut self, message: &impl Payload<'m>) -> io::Result<()> {
        self.stream.write_all(&our_frame(message))
    }

    /// Reads up to the next message of this kind; its payload.
    pub fn read<'m, M: Payload<'m>>(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let mut header = [0; HEADER_LEN];
            self.stream.read_exact(&mut header)?;
            let header = Header::from_bytes(&header);
            let mut payload = vec![0; header.payload_len];
            self.stream.read_exact(&mut payload)?;
            if header.tag() == M::SHAPE.tag {
                return Ok(payload);
            }
        }
    }

    /// Waits until the provider has closed the connection, which may have more to read.
    ///
    /// # Errors
    /// That it has not done so within `timeout` of its last byte.
    pub fn wait_until_closed(mut self, timeout: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(timeout))?;
        match io::copy(&mut self.stream, &mut io::sink()) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error),
            _ => Ok(()),
        }
    }
}
