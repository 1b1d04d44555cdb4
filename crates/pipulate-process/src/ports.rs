//! Who listens where: the difference between "something answers" and "ours answers".

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};

use pipulate_core::identity::Pid;
use rustix::net::{self, AddressFamily, SocketType};

use crate::{os, table};

/// One listening TCP socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    pub address: IpAddr,
    pub port: u16,
    /// The socket's inode, which its holder's descriptors name.
    pub socket: u64,
}

impl Listener {
    /// Where to connect to from this machine: a wildcard means every address, loopback among them.
    pub fn loopback(&self) -> Option<SocketAddr> {
        let address = match self.address {
            IpAddr::V4(address) if address.is_unspecified() || address.is_loopback() => {
                IpAddr::V4(Ipv4Addr::LOCALHOST)
            }
            IpAddr::V6(address) if address.is_unspecified() || address.is_loopback() => {
                IpAddr::V6(Ipv6Addr::LOCALHOST)
            }
            IpAddr::V4(_) | IpAddr::V6(_) => return None,
        };
        Some(SocketAddr::new(address, self.port))
    }

    /// Whether other machines can reach it.
    pub fn is_public(&self) -> bool {
        !self.address.is_loopback()
    }
}

/// The listening sockets that any of `pids` holds.
///
/// # Errors
/// The system would not tell which sockets listen.
pub fn listeners_of(pids: impl IntoIterator<Item = Pid>) -> io::Result<Vec<Listener>> {
    let listeners = os::listeners()?;
    if listeners.is_empty() {
        return Ok(listeners);
    }
    let held: HashSet<u64> = pids.into_iter().flat_map(os::sockets).collect();
    Ok(listeners.into_iter().filter(|listener| held.contains(&listener.socket)).collect())
}

/// Whether a service could listen on this port of the loopback addresses now.
pub fn is_free(port: u16) -> bool {
    let can_bind = |address: IpAddr| match TcpListener::bind((address, port)) {
        Ok(_) => true,
        // A machine without IPv6 has no say.
        Err(error) => error.kind() != io::ErrorKind::AddrInUse,
    };
    can_bind(Ipv4Addr::LOCALHOST.into())
        && can_bind(Ipv6Addr::LOCALHOST.into())
        && can_bind(Ipv4Addr::UNSPECIFIED.into())
}

/// Begins to connect, without waiting: the stream is writable once it is connected or refused.
///
/// # Errors
/// It was refused at once, or the system has no descriptors left.
pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = net::socket(family, SocketType::STREAM, None)?;
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(true)?;
    rustix::io::fcntl_setfd(&stream, rustix::io::FdFlags::CLOEXEC)?;
    match net::connect(&stream, &address) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(stream),
        Err(error) => Err(error.into()),
    }
}

/// Who listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The first process found that holds the socket.
    Process(Pid),
    /// Somebody listens whose descriptors we may not see.
    Hidden,
}

/// Who listens on `port`; `None` when nobody does. Looks through the whole process table.
///
/// # Errors
/// The system would not tell which sockets listen.
pub fn owner(port: u16) -> io::Result<Option<Owner>> {
    let sockets: HashSet<u64> = os::listeners()?
        .into_iter()
        .filter(|listener| listener.port == port)
        .map(|listener| listener.socket)
        .collect();
    if sockets.is_empty() {
        return Ok(None);
    }
    let holder = table::all_pids()
        .into_iter()
        .find(|&pid| os::sockets(pid).iter().any(|inode| sockets.contains(inode)));
    Ok(Some(holder.map_or(Owner::Hidden, Owner::Process)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_traced_to_its_process() {
        let me = Pid::new(i32::try_from(std::process::id()).unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let found = listeners_of([me]).unwrap();
        assert!(
            found.iter().any(|l| l.port == port && !l.is_public() && l.loopback().is_some()),
            "{found:?}"
        );
        assert_eq!(owner(port).unwrap(), Some(Owner::Process(me)));
        assert!(!is_free(port));
        drop(listener);
        assert_eq!(owner(port).unwrap(), None);
        assert!(is_free(port));
    }

    #[test]
    fn an_ipv6_listener_is_seen_too() {
        let me = Pid::new(i32::try_from(std::process::id()).unwrap()).unwrap();
        let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
        let port = listener.local_addr().unwrap().port();
        assert!(listeners_of([me]).unwrap().iter().any(|l| l.port == port && l.address.is_ipv6()));
    }
}
