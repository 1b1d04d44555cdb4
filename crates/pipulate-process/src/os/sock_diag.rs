//! TCP sockets by netlink's sock_diag (sock_diag(7), linux/inet_diag.h).
//!
//! `/proc/net/tcp` costs a hundred times more if there are many connections, because here the kernel filters.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use crate::socket::{Endpoint, Listener};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const STATE_LISTEN: u32 = 1 << 10;
const ESTABLISHED: u8 = 1;
const HEADER: usize = 16;
/// `struct inet_diag_msg`.
const MESSAGE: usize = 72;

/// Returns every listening TCP socket, IPv4 and IPv6.
pub(crate) fn listeners() -> io::Result<Vec<Listener>> {
    let socket = open()?;
    let mut found = Vec::new();
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        net::send(&socket, &request(family), SendFlags::empty())?;
        receive(&socket, &mut found)?;
    }
    Ok(found)
}

/// Returns the socket that is bound to `own` and connected to `other`; `None` if this machine has none. A
/// lookup in the kernel's table, however many connections there are.
pub(crate) fn connection(own: SocketAddr, other: SocketAddr) -> io::Result<Option<Endpoint>> {
    let family = if own.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let mut bytes = request(family);
    bytes[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    bytes[20..24].copy_from_slice(&u32::MAX.to_ne_bytes());
    bytes[24..26].copy_from_slice(&own.port().to_be_bytes());
    bytes[26..28].copy_from_slice(&other.port().to_be_bytes());
    bytes[28..44].copy_from_slice(&octets(own.ip()));
    bytes[44..60].copy_from_slice(&octets(other.ip()));
    bytes[64..72].fill(0xff); // INET_DIAG_NOCOOKIE: whichever socket it is.
    let socket = open()?;
    net::send(&socket, &bytes, SendFlags::empty())?;
    let mut buffer = [0; 1024];
    let (length, _) = net::recv(&socket, buffer.as_mut_slice(), RecvFlags::empty())?;
    let reply = &buffer[..length];
    let kind = reply.get(4..6).map(|kind| u16::from_ne_bytes([kind[0], kind[1]]));
    if kind == Some(NLMSG_ERROR) {
        let code =
            reply.get(HEADER..HEADER + 4).and_then(|code| code.try_into().ok()).map(i32::from_ne_bytes);
        let error = io::Error::from_raw_os_error(code.map_or(0, i32::wrapping_neg));
        return if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(error) };
    }
    // If there is no such connection, the kernel returns a listener on that port.
    let end = reply.get(HEADER..).and_then(end_of).filter(|(_, ports)| *ports == [own.port(), other.port()]);
    Ok(end.map(|(end, _)| end))
}

fn open() -> io::Result<OwnedFd> {
    Ok(net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?)
}

/// Returns an address in the kernel's form: IPv4 is the first four of sixteen bytes.
fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(address) => address.octets(),
    }
}

/// Parses one end of a connection, and the ports of both ends.
fn end_of(message: &[u8]) -> Option<(Endpoint, [u16; 2])> {
    let message: &[u8; MESSAGE] = message.get(..MESSAGE)?.try_into().ok()?;
    let ports = [4, 6].map(|at| u16::from_be_bytes([message[at], message[at + 1]]));
    // A socket that its process closed has no owner: the kernel says 0, which would be root.
    let user = (number(message, 68) != 0).then(|| number(message, 64));
    Some((Endpoint { user, is_established: message[1] == ESTABLISHED }, ports))
}

fn number(message: &[u8; MESSAGE], at: usize) -> u32 {
    u32::from_ne_bytes([message[at], message[at + 1], message[at + 2], message[at + 3]])
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
        // A dual-stack socket that is bound to an IPv4 address, like Java's, listens on that address.
        IpAddr::V6(Ipv6Addr::from(octets)).to_canonical()
    };
    let (user, socket) = (number(message, 64), u64::from(number(message, 68)));
    Some(Listener { address, port, user, socket })
}
