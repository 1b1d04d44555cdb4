//! Listening TCP sockets by netlink's sock_diag (sock_diag(7), linux/inet_diag.h).
//!
//! `/proc/net/tcp` costs a hundred times more where there are many connections, because the
//! kernel filters here and not there.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use crate::ports::Listener;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const STATE_LISTEN: u32 = 1 << 10;
const HEADER: usize = 16;
/// `struct inet_diag_msg`.
const MESSAGE: usize = 72;

/// Every listening TCP socket, IPv4 and IPv6.
pub(crate) fn listeners() -> io::Result<Vec<Listener>> {
    let socket = net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    let mut found = Vec::new();
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        net::send(&socket, &request(family), SendFlags::empty())?;
        receive(&socket, &mut found)?;
    }
    Ok(found)
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`, in the machine's byte order.
fn request(family: AddressFamily) -> [u8; 72] {
    let mut bytes = [0; 72];
    bytes[0..4].copy_from_slice(&72_u32.to_ne_bytes());
    bytes[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&NLM_F_REQUEST_DUMP.to_ne_bytes());
    bytes[16] = family.as_raw() as u8;
    bytes[17] = 6; // IPPROTO_TCP
    bytes[20..24].copy_from_slice(&STATE_LISTEN.to_ne_bytes());
    bytes
}

fn receive(socket: &OwnedFd, found: &mut Vec<Listener>) -> io::Result<()> {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let (length, _) = net::recv(socket, buffer.as_mut_slice(), RecvFlags::empty())?;
        let mut rest = &buffer[..length];
        while rest.len() >= HEADER {
            let size = u32::from_ne_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
            match u16::from_ne_bytes([rest[4], rest[5]]) {
                NLMSG_DONE => return Ok(()),
                NLMSG_ERROR => return Err(io::Error::other("the kernel refused to list listening sockets")),
                _ => found.extend(rest.get(HEADER..size).and_then(listener)),
            }
            rest = rest.get(size.max(HEADER).next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

fn listener(message: &[u8]) -> Option<Listener> {
    let message: &[u8; MESSAGE] = message.get(..MESSAGE)?.try_into().ok()?;
    let port = u16::from_be_bytes([message[4], message[5]]);
    let octets: [u8; 16] = message[8..24].try_into().ok()?;
    let address = if u16::from(message[0]) == AddressFamily::INET.as_raw() {
        IpAddr::V4(Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]))
    } else {
        // A socket for both that is bound to an address of IPv4, as Java's are, listens on that.
        IpAddr::V6(Ipv6Addr::from(octets)).to_canonical()
    };
    let inode = u32::from_ne_bytes(message[68..72].try_into().ok()?);
    Some(Listener { address, port, socket: u64::from(inode) })
}
