//! The user at the other end of a connection on this machine.
//!
//! Other users can connect to every port on loopback, and a browser may send its cookies for one port of
//! 127.0.0.1 to every other port: a cookie does not identify the user.

use std::fmt;
use std::net::{SocketAddr, TcpStream};

use crate::os;
use crate::socket::Endpoint;
use crate::users::user_name;

const ROOT: u32 = 0;

/// A connecting user without access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ForeignPeer {
    User(u32),
    /// The other end was closed already, or the system does not say.
    Unknown,
}

impl fmt::Display for ForeignPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user {}", user_name(*user)),
            Self::Unknown => f.write_str("an unknown user"),
        }
    }
}

/// True if a user is neither this process's nor root.
pub(crate) fn is_another(user: u32) -> bool {
    user != ROOT && user != own_user()
}

/// Admits a connection from `client` to `server`, an address of ours, if its user is this one, root or one of
/// the `guests`.
///
/// # Errors
/// The foreign peer.
pub fn admit(client: SocketAddr, server: SocketAddr, guests: &[u32]) -> Result<(), ForeignPeer> {
    match os::connection(client, server) {
        Ok(Some(Endpoint { user: Some(user), .. })) => match is_another(user) && !guests.contains(&user) {
            true => Err(ForeignPeer::User(user)),
            false => Ok(()),
        },
        Ok(None) if is_from_windows(client, server) => Ok(()),
        Ok(Some(Endpoint { user: None, .. }) | None) | Err(_) => Err(ForeignPeer::Unknown),
    }
}

/// Admits an accepted connection.
///
/// # Errors
/// The foreign peer.
pub fn admit_stream(stream: &TcpStream) -> Result<(), ForeignPeer> {
    match (stream.peer_addr(), stream.local_addr()) {
        (Ok(client), Ok(server)) => admit(client, server, &[]),
        // It was closed already.
        (Err(_), _) | (_, Err(_)) => Err(ForeignPeer::Unknown),
    }
}

/// True if a connection comes from the Windows side of WSL: with mirrored networking there is no socket on
/// this side. A client on this side would have lost its connection by closing its socket; this connection is
/// alive without one.
fn is_from_windows(client: SocketAddr, server: SocketAddr) -> bool {
    let is_open = || {
        let own = os::connection(server, client);
        matches!(own, Ok(Some(Endpoint { is_established: true, .. })))
    };
    os::is_beside_windows() && is_open()
}

fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, TcpListener};

    use super::*;

    /// A connection over `address`: the client's end, and ours.
    fn connected(address: impl Into<IpAddr>) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((address.into(), 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        (client, server)
    }

    #[test]
    fn our_own_connection_is_admitted_on_either_loopback_also_when_it_has_said_all() {
        for address in [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)] {
            let (client, server) = connected(address);
            let ends = || {
                let (from, to) = (client.local_addr().unwrap(), server.local_addr().unwrap());
                os::connection(from, to).unwrap().unwrap()
            };
            assert_eq!(ends(), Endpoint { user: Some(own_user()), is_established: true });
            assert_eq!(admit_stream(&server), Ok(()), "{address}");
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(ends(), Endpoint { user: Some(own_user()), is_established: false });
            assert_eq!(admit_stream(&server), Ok(()), "{address}");
        }
    }

    #[test]
    fn an_address_of_ipv4_is_looked_up_whatever_the_client_s_socket_is() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let _client = TcpStream::connect(format!("[::ffff:127.0.0.1]:{port}")).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!(admit_stream(&server), Ok(()));
    }

    #[test]
    fn whoever_closed_the_other_end_already_is_nobody_s_friend() {
        let (client, server) = connected(Ipv4Addr::LOCALHOST);
        drop(client);
        // Not root, although the kernel reports user 0 for a socket without a process.
        assert_eq!(admit_stream(&server), Err(ForeignPeer::Unknown));
    }

    #[test]
    fn a_listener_on_the_client_s_port_is_not_taken_for_the_client() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (_client, server) = connected(Ipv4Addr::LOCALHOST);
        let (from, to) = (listener.local_addr().unwrap(), server.local_addr().unwrap());
        assert_eq!(admit(from, to, &[]), Err(ForeignPeer::Unknown));
    }
}
