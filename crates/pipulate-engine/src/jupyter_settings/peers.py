

def refuse_other_users():
    # JupyterLab's cookie goes to every port of 127.0.0.1, and any user of this machine may listen on one and
    # come back with it. So a connection from this machine must be of this user, root or [web] users.
    import pwd
    import socket
    import struct

    from tornado.tcpserver import TCPServer

    SOCK_DIAG, BY_FAMILY, ERROR, TCP, ESTABLISHED = 4, 20, 2, 6, 1

    def number(user):
        return int(user) if user.isdigit() else pwd.getpwnam(user).pw_uid

    welcome = {0, os.geteuid()}
    for user in os.environ.pop("PIPULATE_WEB_USERS", "").split(","):
        try:
            welcome.update([number(user)] if user else [])
        except KeyError:
            print(f"There is no user of this name: {user}; see [web] users in pipulate.toml")
    try:
        with open("/proc/sys/kernel/osrelease") as file:
            beside_windows = "microsoft" in file.read().lower()
    except OSError:
        beside_windows = False

    def end(family, own, other):
        # See linux/inet_diag.h. The state and the user of one end of a connection; no user: it was closed.
        ports = struct.pack("!HH", own[1], other[1])
        addresses = b"".join(socket.inet_pton(family, side[0]).ljust(16, b"\0") for side in (own, other))
        body = struct.pack("=BBBxI", family, TCP, 0, 0xFFFFFFFF) + ports + addresses + bytes(4) + b"\xff" * 8
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, SOCK_DIAG) as asking:
            asking.send(struct.pack("=IHHII", 16 + len(body), BY_FAMILY, 1, 0, 0) + body)
            reply = asking.recv(1024)
        if struct.unpack_from("=H", reply, 4)[0] == ERROR or reply[20:24] != ports:
            return None
        user, inode = struct.unpack_from("=II", reply, 16 + 64)
        return reply[17], user if inode else None

    def is_welcome(connection):
        try:
            client, server = (side[:2] for side in (connection.getpeername(), connection.getsockname()))
            found = end(connection.family, client, server)
            if found is not None:
                return found[1] in welcome
            import ipaddress

            if not ipaddress.ip_address(client[0]).is_loopback:
                return True  # From another machine: whoever let it listen there wants that.
            here = end(connection.family, server, client)
            return beside_windows and here is not None and here[0] == ESTABLISHED
        except OSError:
            return False

    accept = TCPServer._handle_connection

    def accept_ours(self, connection, address):
        if connection.family == socket.AF_UNIX or is_welcome(connection):
            return accept(self, connection, address)
        connection.close()

    TCPServer._handle_connection = accept_ours


try:
    refuse_other_users()
except Exception as error:
    print(f"Other users' connections to JupyterLab are not refused, and need its token: {error}")
