import Foundation
import Glibc
import TestBasics

extension DaybookProcess {
  /// Which markers are in any file of the server and of its PostgreSQL, each with the files.
  func files(with markers: [Marker], besides folders: [String] = []) async throws -> [String: Set<String>] {
    var result: [String: Set<String>] = [:]
    for root in Set([folder.path, postgresHome] + folders) {
      guard let names = FileManager.default.enumerator(atPath: root) else { continue }
      for case let name as String in names {
        let path = root + "/" + name
        var information = stat()
        guard lstat(path, &information) == 0, information.st_mode & S_IFMT == S_IFREG, information.st_size > 0,
          let data = try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
        else { continue }
        for marker in markers where !marker.found(in: data).isEmpty { result[marker.name, default: []].insert(path) }
      }
    }
    return result
  }
}
