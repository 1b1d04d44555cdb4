//! Whose connection it is: other users see one-time addresses in the process list, and may be faster
//! than the browser.

use std::fs;
use std::net::{SocketAddr, SocketAddrV4, TcpStream};

/// Whether another user of this machine holds the other end. Where the system does not tell, it is
/// taken for ours: a browser on the Windows side of WSL has no user here. So is the administrator's.
pub(super) fn is_another_users(stream: &TcpStream) -> bool {
    let (Ok(SocketAddr::V4(client)), Ok(SocketAddr::V4(server))) = (stream.peer_addr(), stream.local_addr())
    else {
        return false;
    };
    let Ok(table) = fs::read_to_string("/proc/net/tcp") else { return false };
    let ours = rustix::process::getuid().as_raw();
    owner(&table, client, server).is_some_and(|user| user != ours && user != 0)
}

/// The user whose socket goes from `client` to `server`, by the kernel's table.
fn owner(table: &str, client: SocketAddrV4, server: SocketAddrV4) -> Option<u32> {
    let (client, server) = (as_written(client), as_written(server));
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, from, to, _, _, _, _, user, ..] = fields[..] else { return None };
        (from == client && to == server).then(|| user.parse().ok()).flatten()
    })
}

/// The table shows an address's bytes as one number of this machine.
fn as_written(address: SocketAddrV4) -> String {
    format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn the_holder_of_the_other_end_is_found() {
        let [client, server] = [40000, 8888].map(|port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
        let line = |from, to, user| {
            format!(
                "   1: {} {} 01 00000000:00000000 00:00000000 00000000 {user} 0 1 1\n",
                as_written(from),
                as_written(to)
            )
        };
        let table = format!(
            "  sl  local_address rem_address …\n{}{}",
            line(server, client, 7),
            line(client, server, 1001)
        );
        assert_eq!(owner(&table, client, server), Some(1001));
        assert_eq!(owner("", client, server), None);
    }

    #[test]
    fn our_own_connection_is_ours() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        assert!(!is_another_users(&stream));
        if let Ok(table) = fs::read_to_string("/proc/net/tcp") {
            let address =
                |address| if let SocketAddr::V4(address) = address { address } else { panic!("{address}") };
            let [from, to] = [client.local_addr().unwrap(), client.peer_addr().unwrap()].map(address);
            assert_eq!(owner(&table, from, to), Some(rustix::process::getuid().as_raw()));
        }
    }
}
