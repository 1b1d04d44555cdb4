//! Darwin's list of TCP sockets, `net.inet.tcp.pcblist_n`, parsed from bytes.
//!
//! netstat(1) reads it. It shows all users' sockets to every user, and consists of records that begin with
//! their length and kind (XNU's bsd/netinet/in_pcblist.c). Offsets are those of `xinpcb_n`, `xsocket_n` and
//! `xtcpcb_n` in bsd/netinet/in_pcb.h, bsd/sys/socketvar.h and bsd/netinet/tcp_var.h, all three packed to
//! four bytes. The scrambled kernel address of a socket is the same here and in `proc_pidfdinfo`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::darwin::{at, u32_at, u64_at};
use crate::socket::{Endpoint, Listener};

const SOCKET: u32 = 0x001;
const ENDS: u32 = 0x010;
const STATE: u32 = 0x020;

const LISTENS: u32 = 1;
const ESTABLISHED: u32 = 4;
/// `INP_IPV4` and `INP_IPV6`: a dual-stack socket has both.
const FAMILIES: u8 = 3;
const IPV4: u8 = 1;
/// `SS_NOFDREF`: no descriptor refers to it any more.
const CLOSED: u16 = 1;

/// The size of a process's socket in `proc_pidfdinfo`: `struct socket_fdinfo`.
pub(super) const DESCRIPTION_SIZE: usize = 792;
const DESCRIPTION_SOCKET: usize = 160;

/// Returns the socket of a descriptor.
pub(super) fn socket_of(description: &[u8]) -> Option<u64> {
    u64_at(description, DESCRIPTION_SOCKET)
}

/// A TCP socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Socket {
    id: u64,
    user: u32,
    is_closed: bool,
    own: SocketAddr,
    other: SocketAddr,
    state: u32,
}

impl Socket {
    pub(super) fn listener(&self) -> Option<Listener> {
        let (address, port) = (self.own.ip().to_canonical(), self.own.port());
        let listener = Listener { address, port, user: self.user, socket: self.id };
        (self.state == LISTENS && !self.is_closed).then_some(listener)
    }

    /// Returns this socket as the `own` end of the connection between two addresses, if it is.
    pub(super) fn end_of(&self, own: SocketAddr, other: SocketAddr) -> Option<Endpoint> {
        let is_one = self.state != LISTENS && same(self.own, own) && same(self.other, other);
        let user = (!self.is_closed).then_some(self.user);
        is_one.then_some(Endpoint { user, is_established: self.state == ESTABLISHED })
    }
}

/// True if two addresses are equal, whether written as IPv4 or as IPv6.
fn same(one: SocketAddr, other: SocketAddr) -> bool {
    (one.ip().to_canonical(), one.port()) == (other.ip().to_canonical(), other.port())
}

/// Returns the sockets in the list; unknown records are skipped.
pub(super) fn parse(list: &[u8]) -> Vec<Socket> {
    let mut found = Vec::new();
    let (mut ends, mut socket) = (None, None);
    // The list begins with a header that has a length and no kind.
    let mut rest = advance(list);
    while let Some(record) = rest.and_then(record) {
        match u32_at(record, 4) {
            Some(ENDS) => (ends, socket) = (both_ends(record), None),
            Some(SOCKET) => socket = owner(record),
            Some(STATE) => {
                if let (Some((own, other)), Some((id, user, is_closed))) = (ends.take(), socket.take())
                    && let Some(state) = u32_at(record, 36)
                {
                    found.push(Socket { id, user, is_closed, own, other, state });
                }
            }
            Some(_) | None => {}
        }
        rest = rest.and_then(advance);
    }
    found
}

/// Returns the first record.
fn record(list: &[u8]) -> Option<&[u8]> {
    let length = u32_at(list, 0)? as usize;
    list.get(..length).filter(|record| record.len() >= 8)
}

/// Returns the list after the first record: records begin at multiples of eight.
fn advance(list: &[u8]) -> Option<&[u8]> {
    list.get(record(list)?.len().next_multiple_of(8)..)
}

fn both_ends(record: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let [is_ipv4] = at(record, 44)?.map(|flags: u8| flags & FAMILIES == IPV4);
    let end = |address: usize, port: usize| {
        let octets: [u8; 16] = at(record, address)?;
        let address: IpAddr = match is_ipv4 && octets[..12] == [0; 12] {
            true => Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]).into(),
            false => Ipv6Addr::from(octets).into(),
        };
        Some(SocketAddr::new(address, u16::from_be_bytes(at(record, port)?)))
    };
    Some((end(64, 18)?, end(48, 16)?))
}

/// Returns the socket, its user, and whether it was closed.
fn owner(record: &[u8]) -> Option<(u64, u32, bool)> {
    let state = u16::from_ne_bytes(at(record, 26)?);
    let id = u64_at(record, 8)?;
    Some((id, u32_at(record, 64)?, state & CLOSED != 0 || id == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns one socket's records, in the kernel's order.
    fn records(flags: u8, own: (IpAddr, u16), other: (IpAddr, u16), closed: bool, state: u32) -> Vec<u8> {
        let mut ends = head(104, ENDS);
        ends[16..18].copy_from_slice(&other.1.to_be_bytes());
        ends[18..20].copy_from_slice(&own.1.to_be_bytes());
        ends[44] = flags;
        ends[48..64].copy_from_slice(&octets(other.0));
        ends[64..80].copy_from_slice(&octets(own.0));
        let mut socket = head(100, SOCKET);
        socket[8..16].copy_from_slice(&0xfeed_u64.to_ne_bytes());
        socket[26..28].copy_from_slice(&u16::from(closed).to_ne_bytes());
        socket[64..68].copy_from_slice(&501_u32.to_ne_bytes());
        let mut tcp = head(204, STATE);
        tcp[36..40].copy_from_slice(&state.to_ne_bytes());
        let statistics = head(136, 0x008);
        let mut all = Vec::new();
        for record in [ends, socket, statistics, tcp] {
            all.extend(record);
            all.resize(all.len().next_multiple_of(8), 0);
        }
        all
    }

    fn head(size: usize, kind: u32) -> Vec<u8> {
        let mut bytes = vec![0; size];
        bytes[..4].copy_from_slice(&u32::try_from(size).unwrap().to_ne_bytes());
        bytes[4..8].copy_from_slice(&kind.to_ne_bytes());
        bytes
    }

    fn octets(address: IpAddr) -> [u8; 16] {
        match address {
            IpAddr::V4(address) => {
                let mut all = [0; 16];
                all[12..].copy_from_slice(&address.octets());
                all
            }
            IpAddr::V6(address) => address.octets(),
        }
    }

    fn list(sockets: &[Vec<u8>]) -> Vec<u8> {
        [head(24, 9), sockets.concat(), head(24, 9)].concat()
    }

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const ANY6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    const NOBODY: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

    #[test]
    fn listeners_are_told_with_their_users_and_their_sockets() {
        let mapped = IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped());
        let bytes = list(&[
            records(1, (HERE, 8888), NOBODY, false, LISTENS),
            records(3, (ANY6, 5001), (ANY6, 0), false, LISTENS),
            records(2, (mapped, 7), (ANY6, 0), false, LISTENS),
            records(1, (HERE, 9), NOBODY, true, LISTENS),
            records(1, (HERE, 8888), (HERE, 50_000), false, ESTABLISHED),
        ]);
        let found: Vec<Listener> = parse(&bytes).iter().filter_map(Socket::listener).collect();
        let listener = |address, port| Listener { address, port, user: 501, socket: 0xfeed };
        assert_eq!(found, [listener(HERE, 8888), listener(ANY6, 5001), listener(HERE, 7)]);
    }

    #[test]
    fn a_connection_is_known_by_both_ends_and_a_closed_one_is_nobodys() {
        let (client, server) = (SocketAddr::new(HERE, 50_000), SocketAddr::new(HERE, 8888));
        let find = |closed, state| {
            let ends = records(1, (HERE, 50_000), (HERE, 8888), closed, state);
            let listener = records(1, (HERE, 50_000), NOBODY, false, LISTENS);
            parse(&list(&[listener, ends])).iter().find_map(|socket| socket.end_of(client, server))
        };
        assert_eq!(find(false, ESTABLISHED), Some(Endpoint { user: Some(501), is_established: true }));
        assert_eq!(find(false, 5), Some(Endpoint { user: Some(501), is_established: false }));
        assert_eq!(find(true, 6), Some(Endpoint { user: None, is_established: false }));
        let all = parse(&list(&[records(1, (HERE, 50_000), (HERE, 8888), false, ESTABLISHED)]));
        assert_eq!(all[0].end_of(server, client), None, "that would be the other end");
    }

    #[test]
    fn a_list_that_is_cut_off_or_senseless_has_an_end() {
        let bytes = list(&[records(1, (HERE, 8888), NOBODY, false, LISTENS)]);
        for end in 0..bytes.len() {
            assert!(parse(&bytes[..end]).len() <= 1);
        }
        assert_eq!(parse(&[0; 512]), []);
        assert_eq!(parse(&[0xff; 512]), []);
    }

    #[test]
    fn a_descriptor_leads_to_the_same_socket() {
        let mut description = [0; DESCRIPTION_SIZE];
        description[DESCRIPTION_SOCKET..DESCRIPTION_SOCKET + 8].copy_from_slice(&0xfeed_u64.to_ne_bytes());
        assert_eq!(socket_of(&description), Some(0xfeed));
    }
}
