//! Signs a browser in to JupyterLab: the browser gets the cookie, and no address contains the token.
//!
//! A cookie belongs to a host and not to a port, so a page on 127.0.0.1 can pass on the cookie of JupyterLab
//! on 127.0.0.1, and of no other host.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use pipulate_web::world::SignedIn;

/// The timeout of JupyterLab's answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The longest answer that is read, in bytes.
const LARGEST: u64 = 64 << 10;

/// Signs in at an address such as `http://127.0.0.1:8888/lab?token=…`; `None` if it is another kind of
/// address, or if JupyterLab does not answer with a cookie.
pub(crate) fn sign_in(signed: &str) -> Option<SignedIn> {
    let (plain, token) = signed.split_once("?token=")?;
    let (host, page) = plain.strip_prefix("http://")?.split_once('/')?;
    let base = page.strip_suffix("lab")?;
    let address: SocketAddr = host.parse().ok()?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    // The token alone signs in too, but JupyterLab then logs a missing password.
    let form = format!("token={token}&password={token}");
    let request = format!(
        "POST /{base}login HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut reply = Vec::new();
    stream.take(LARGEST).read_to_end(&mut reply).ok()?;
    Some(SignedIn { address: plain.to_owned(), cookie: cookie(&String::from_utf8_lossy(&reply))? })
}

/// JupyterLab's session cookie.
fn cookie(reply: &str) -> Option<String> {
    let (head, _body) = reply.split_once("\r\n\r\n")?;
    let fields = head.split("\r\n").filter_map(|line| line.split_once(": "));
    let mut cookies =
        fields.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")).map(|(_, value)| value);
    cookies.find(|value| value.starts_with("username-")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_cookie_of_the_sign_in_is_handed_on() {
        let head = "HTTP/1.1 302 Found\r\nLocation: /lab\r\nset-cookie: _xsrf=1; Path=/\r\n";
        let reply =
            format!("{head}Set-Cookie: username-127-0-0-1-8888=2|1; HttpOnly; Path=/\r\n\r\nSet-Cookie: x");
        assert_eq!(cookie(&reply).as_deref(), Some("username-127-0-0-1-8888=2|1; HttpOnly; Path=/"));
        assert_eq!(cookie(&format!("{head}\r\nSet-Cookie: username-x=1")), None);
    }

    #[test]
    fn what_is_no_address_of_jupyterlab_is_not_asked() {
        for address in ["http://127.0.0.1:1/lab", "http://127.0.0.1:1/?token=x", "http://host/lab?token=x"] {
            assert!(sign_in(address).is_none(), "{address}");
        }
    }
}
