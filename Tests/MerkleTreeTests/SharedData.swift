import Foundation

/// The test data from outside, which lies beside the repository and not in it.
enum SharedData {
  /// The folder `../shared/data` of the repository; nil where it is absent.
  static let folder: URL? = {
    var folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    while folder.path != "/" {
      if FileManager.default.fileExists(atPath: folder.appendingPathComponent("Package.swift").path) {
        let data = folder.deletingLastPathComponent().appendingPathComponent("shared/data")
        return FileManager.default.fileExists(atPath: data.path) ? data : nil
      }
      folder.deleteLastPathComponent()
    }
    return nil
  }()

  static var isPresent: Bool { folder != nil }

  static func read(_ path: String) throws -> Data {
    guard let folder else { throw CocoaError(.fileNoSuchFile) }
    return try Data(contentsOf: folder.appendingPathComponent(path))
  }

  /// Every file with that ending below a folder of the data.
  static func files(under path: String, ending: String) throws -> [URL] {
    guard let folder else { throw CocoaError(.fileNoSuchFile) }
    let root = folder.appendingPathComponent(path)
    return try FileManager.default.subpathsOfDirectory(atPath: root.path).filter { $0.hasSuffix(ending) }.sorted()
      .map { root.appendingPathComponent($0) }
  }
}
