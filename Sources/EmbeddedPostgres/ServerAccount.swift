import Glibc

/// The operating system user that PostgreSQL runs as: this process's own, or, since PostgreSQL refuses to run as root,
/// an unprivileged one when this process is root.
struct ServerAccount: Hashable, Sendable {
  let uid: uid_t
  let gid: gid_t
  let name: String
  /// Whether it is another user than this process's.
  let isOther: Bool
  /// The names of the users that may act as the role `daybook` on the socket.
  let peers: [String]

  /// Finds it.
  /// - Throws: `accountMissing`, or `accountsUnreadable` where nobody can say just now who exists.
  static func find() throws(EmbeddedPostgresError) -> ServerAccount {
    let own = geteuid()
    let root = try entry(uid: 0)?.name ?? "root"
    guard own == 0 else {
      guard let entry = try entry(uid: own) else {
        throw EmbeddedPostgresError(
          .accountMissing,
          "the user id \(own) has no name on this system, and PostgreSQL needs one; add a line for it to /etc/passwd, or give "
            + "a PostgreSQL of your own with --postgres")
      }
      return ServerAccount(
        uid: own, gid: entry.gid, name: entry.name, isOther: false, peers: unique([entry.name, root]))
    }
    for name in ["postgres", "nobody"] {
      if let entry = try entry(name: name), entry.uid != 0 {
        return ServerAccount(uid: entry.uid, gid: entry.gid, name: name, isOther: true, peers: unique([root, name]))
      }
    }
    throw EmbeddedPostgresError(
      .accountMissing, "PostgreSQL doesn't run as root, and neither a user postgres nor nobody exists; add one of them")
  }

  private static func unique(_ names: [String]) -> [String] { Set(names).sorted() }

  private static func entry(uid: uid_t) throws(EmbeddedPostgresError) -> (name: String, uid: uid_t, gid: gid_t)? {
    try look { getpwuid_r(uid, $0, $1, $2, $3) }
  }

  private static func entry(name: String) throws(EmbeddedPostgresError) -> (name: String, uid: uid_t, gid: gid_t)? {
    try look { getpwnam_r(name, $0, $1, $2, $3) }
  }

  private typealias Lookup = (
    UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>, Int, UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>
  ) -> CInt

  private static func look(
    _ lookup: Lookup
  ) throws(EmbeddedPostgresError) -> (name: String, uid: uid_t, gid: gid_t)? {
    var record = passwd()
    var found: UnsafeMutablePointer<passwd>?
    var code = CInt(0)
    var buffer = [CChar](repeating: 0, count: 65536)
    let entry = buffer.withUnsafeMutableBufferPointer { buffer -> (name: String, uid: uid_t, gid: gid_t)? in
      guard let base = buffer.baseAddress else { return nil }
      code = lookup(&record, base, buffer.count, &found)
      guard code == 0, found != nil else { return nil }
      return (String(cString: record.pw_name), record.pw_uid, record.pw_gid)
    }
    if let entry { return entry }
    if let failure = failure(code) {
      throw EmbeddedPostgresError(
        .accountsUnreadable,
        "the accounts of this system can't be read: \(String(cString: strerror(failure)))"
          + ([EMFILE, ENFILE].contains(failure) ? "; raise the limit of open files (LimitNOFILE=, ulimit -n)" : ""))
    }
    return nil
  }

  /// Why an account couldn't be looked for; nil where it was, and isn't there. Of several sources of accounts the last
  /// one decides what a look-up returns, so whether a file can be opened at all is tried.
  private static func failure(_ code: CInt) -> CInt? {
    if [EMFILE, ENFILE, ENOMEM, EIO].contains(code) { return code }
    let file = open("/etc/passwd", O_RDONLY | O_CLOEXEC)
    guard file < 0 else {
      close(file)
      return nil
    }
    return [EMFILE, ENFILE, ENOMEM, EIO].contains(errno) ? errno : nil
  }
}
