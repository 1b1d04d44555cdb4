//! TCP sockets as the kernel describes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One listening TCP socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    pub address: IpAddr,
    pub port: u16,
    /// The user who opened it.
    pub user: u32,
    /// The socket's inode, which its holder's descriptors name.
    pub socket: u64,
}

impl Listener {
    /// True if other machines can reach it.
    pub fn is_public(&self) -> bool {
        !self.address.is_loopback()
    }

    /// Returns the addresses for connections to it from this machine, the most natural first.
    pub(crate) fn doors(&self) -> Vec<SocketAddr> {
        let addresses = match self.address {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => vec![Ipv4Addr::LOCALHOST.into()],
            // Most such listeners accept IPv4, too.
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            // The address is ambiguous between interfaces, and browsers don't accept an interface in a URL.
            IpAddr::V6(address) if address.is_unicast_link_local() => Vec::new(),
            address => vec![address],
        };
        addresses.into_iter().map(|address| SocketAddr::new(address, self.port)).collect()
    }

    /// Returns the score of this listener for a connection to `address`: the kernel chooses the listener with
    /// the highest score (`inet_lookup_listener` in net/ipv4/inet_hashtables.c).
    pub(crate) fn claim(&self, address: SocketAddr) -> Option<u8> {
        match (self.address, address.ip()) {
            _ if self.port != address.port() => None,
            (own, asked) if own == asked => Some(3),
            (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(_))
            | (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(_)) => Some(2),
            (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(_)) => Some(1),
            _ => None,
        }
    }
}

/// One end of a TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The user who opened the socket; `None` once its process has closed it.
    pub(crate) user: Option<u32>,
    pub(crate) is_established: bool,
}
