//! Listening sockets and their processes: the difference between "something answers" and "ours answers".

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};

use pipulate_core::identity::Pid;
use rustix::net::{self, AddressFamily, SocketType};

pub use crate::socket::Listener;
use crate::{os, peers, table};

/// The listening sockets of this machine, and the ones that certain processes hold.
#[derive(Debug, Default)]
pub struct Listeners {
    all: Vec<Listener>,
    held: HashSet<u64>,
}

impl Listeners {
    /// Returns the current listeners; `pids` are the processes whose sockets count as own.
    ///
    /// # Errors
    /// The system did not list the listening sockets.
    pub fn of(pids: impl IntoIterator<Item = Pid>) -> io::Result<Self> {
        let all = os::listeners()?;
        let held =
            if all.is_empty() { HashSet::new() } else { pids.into_iter().flat_map(os::sockets).collect() };
        Ok(Self { all, held })
    }

    /// Returns the processes' own listeners.
    pub fn own(&self) -> impl Iterator<Item = &Listener> {
        self.all.iter().filter(|listener| self.is_own(listener))
    }

    /// True if another process listens on this port, on any address.
    pub fn has_foreign(&self, port: u16) -> bool {
        self.all.iter().any(|listener| listener.port == port && !self.is_own(listener))
    }

    /// Returns the addresses whose connections arrive at one of the processes: by port, loopback addresses
    /// first.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let mut own: Vec<&Listener> = self.own().collect();
        own.sort_by_key(|listener| (listener.port, !is_local(listener.address), listener.address));
        let mut addresses = Vec::new();
        for address in own.into_iter().flat_map(Listener::doors) {
            if !addresses.contains(&address) && self.receive(address) {
                addresses.push(address);
            }
        }
        addresses
    }

    /// True if a connection to `address` arrives at one of the processes, and at no other.
    pub fn receive(&self, address: SocketAddr) -> bool {
        let claims = || self.all.iter().filter_map(|listener| Some((listener.claim(address)?, listener)));
        let highest = claims().map(|(claim, _)| claim).max();
        highest.is_some() && claims().all(|(claim, listener)| Some(claim) != highest || self.is_own(listener))
    }

    fn is_own(&self, listener: &Listener) -> bool {
        self.held.contains(&listener.socket)
    }
}

/// True if connections to a loopback address reach the listeners on this address.
fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified()
}

/// True if a service could listen on this port of the loopback addresses now.
pub fn is_free(port: u16) -> bool {
    let can_bind = |address: IpAddr| match TcpListener::bind((address, port)) {
        Ok(_) => true,
        // A machine without IPv6 does not matter here.
        Err(error) => error.kind() != io::ErrorKind::AddrInUse,
    };
    can_bind(Ipv4Addr::LOCALHOST.into())
        && can_bind(Ipv6Addr::LOCALHOST.into())
        && can_bind(Ipv4Addr::UNSPECIFIED.into())
}

/// Begins to connect, without waiting: the stream becomes writable when it is connected or refused.
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

/// True if another user of this machine, other than root, listens on `port`, on any address.
///
/// # Errors
/// The system did not list the listening sockets.
pub fn is_another_users(port: u16) -> io::Result<bool> {
    Ok(os::listeners()?.iter().any(|listener| listener.port == port && peers::is_another(listener.user)))
}

/// The owner of a listening socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The first process found that holds the socket.
    Process(Pid),
    /// The socket's process is not visible to us.
    Hidden,
}

/// Returns the owners of the listeners on `port`, on any address. Scans the whole process table.
///
/// # Errors
/// The system did not list the listening sockets.
pub fn owners(port: u16) -> io::Result<Vec<Owner>> {
    let mut sockets: HashSet<u64> = os::listeners()?
        .into_iter()
        .filter(|listener| listener.port == port)
        .map(|listener| listener.socket)
        .collect();
    let mut owners = Vec::new();
    if sockets.is_empty() {
        return Ok(owners);
    }
    for pid in table::all_pids() {
        let held: Vec<u64> = os::sockets(pid).into_iter().filter(|socket| sockets.contains(socket)).collect();
        if !held.is_empty() {
            sockets.retain(|socket| !held.contains(socket));
            owners.push(Owner::Process(pid));
        }
    }
    owners.extend((!sockets.is_empty()).then_some(Owner::Hidden));
    Ok(owners)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> Pid {
        Pid::new(i32::try_from(std::process::id()).unwrap()).unwrap()
    }

    #[test]
    fn a_listener_is_traced_to_its_process() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let port = address.port();
        let found = Listeners::of([me()]).unwrap();
        assert!(found.own().any(|l| l.port == port && !l.is_public()), "{found:?}");
        assert!(found.receive(address) && found.addresses().contains(&address), "{found:?}");
        assert!(!found.has_foreign(port));
        let foreign = Listeners::of([]).unwrap();
        assert!(foreign.has_foreign(port) && !foreign.receive(address) && foreign.own().next().is_none());
        assert_eq!(owners(port).unwrap(), [Owner::Process(me())]);
        assert!(!is_free(port));
        drop(listener);
        assert_eq!(owners(port).unwrap(), []);
        assert!(is_free(port));
    }

    #[test]
    fn an_address_of_ipv4_is_told_as_one_whatever_the_socket_is() {
        let Ok(listener) = TcpListener::bind("[::ffff:127.0.0.1]:0") else { panic!("no IPv6 sockets here") };
        let port = listener.local_addr().unwrap().port();
        let found = Listeners::of([me()]).unwrap();
        let own: Vec<IpAddr> = found.own().filter(|own| own.port == port).map(|own| own.address).collect();
        assert_eq!(own, [Ipv4Addr::LOCALHOST]);
        assert!(found.receive(SocketAddr::from(([127, 0, 0, 1], port))));
    }

    /// Makes listeners; `own` are ours.
    fn listeners(own: &[&str], foreign: &[&str]) -> Listeners {
        let listener = |(number, address): (usize, &&str)| {
            let address: SocketAddr = address.parse().unwrap();
            Listener { address: address.ip(), port: address.port(), user: 0, socket: number as u64 }
        };
        let all = own.iter().chain(foreign).enumerate().map(listener).collect();
        Listeners { all, held: (0..own.len() as u64).collect() }
    }

    #[test]
    fn a_connection_goes_to_where_the_listener_is_and_never_to_a_strangers() {
        for (own, foreign, wanted) in [
            (&["127.0.0.1:1"][..], &[][..], &["127.0.0.1:1"][..]),
            (&["0.0.0.0:1"], &[], &["127.0.0.1:1"]),
            // 127.0.0.1 is listed if connections to it arrive.
            (&["[::]:1"], &[], &["127.0.0.1:1", "[::1]:1"]),
            (&["127.0.1.1:1"], &["127.0.0.1:1"], &["127.0.1.1:1"]),
            (&["0.0.0.0:1"], &["127.0.0.1:1"], &[]),
            (&["[::]:1"], &["127.0.0.1:1"], &["[::1]:1"]),
            (&["[::]:1"], &["[::1]:1", "0.0.0.0:1"], &[]),
            (&["[::]:1"], &["0.0.0.0:1"], &["[::1]:1"]),
            (&["192.168.7.5:1"], &["127.0.0.1:1", "0.0.0.0:2"], &["192.168.7.5:1"]),
            (&["[::1]:1", "127.0.0.1:1"], &[], &["127.0.0.1:1", "[::1]:1"]),
            (&["192.168.7.5:1", "[::1]:1"], &[], &["[::1]:1", "192.168.7.5:1"]),
            (&["[fe80::1]:1"], &[], &[]),
            // Two listeners with one address share its connections.
            (&["127.0.0.1:1"], &["127.0.0.1:1"], &[]),
            (&["127.0.0.1:2", "127.0.0.1:1"], &["127.0.0.1:3"], &["127.0.0.1:1", "127.0.0.1:2"]),
        ] {
            let found: Vec<String> =
                listeners(own, foreign).addresses().iter().map(SocketAddr::to_string).collect();
            assert_eq!(found, wanted, "ours {own:?}, others' {foreign:?}");
        }
    }
}
