import Glibc
import Testing

@testable import EmbeddedPostgres

/// The user that PostgreSQL runs as.
@Suite struct AccountTests {
  @Test func `where no file can be opened, that is what is told, and not that users are missing`() async {
    await #expect(processExitsWith: .exitCode(7)) {
      var none = rlimit(rlim_cur: 0, rlim_max: 0)
      try #require(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &none) == 0)
      do throws(EmbeddedPostgresError) {
        _ = try ServerAccount.find()
      } catch {
        exit(error.code == .accountsUnreadable && error.message.contains("Too many open files") ? 7 : 1)
      }
      exit(2)
    }
  }
}
