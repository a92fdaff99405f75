# One of each block that the simulator's parser knows.
job "blocks" {
  type        = "service"
  priority    = 60
  datacenters = ["dc1", "dc2"]
  node_pool   = "default"

  constraint {
    attribute = "${attr.kernel.name}"
    value     = "linux"
  }

  affinity {
    attribute = "${meta.rack}"
    operator  = "!="
    value     = "r1"
    weight    = 50
  }

  spread {
    attribute = "${node.datacenter}"
    weight    = 10
  }

  update {
    max_parallel = 2
    auto_revert  = true
  }

  group "main" {
    constraint {
      distinct_hosts = true
    }

    constraint {
      attribute = "${attr.cpu.arch}"
      regexp    = "amd|arm"
    }

    network {
      mode = "bridge"

      dns {
        servers = ["1.1.1.1"]
      }

      port "http" {
        static = 8080
        to     = 80
      }

      port "admin" {}
    }

    migrate {
      max_parallel = 3
    }

    volume "data" {
      type            = "host"
      source          = "pg"
      read_only       = true
      access_mode     = "single-node-writer"
      attachment_mode = "file-system"
    }

    service {
      name = "web"
      port = "http"
      tags = ["a"]

      meta {
        k = "v"
      }

      check {
        type     = "http"
        path     = "/health"
        interval = "10s"
        timeout  = "2s"
        method   = "POST"

        header {
          X-A = ["b", "c"]
        }

        check_restart {
          limit = 3
          grace = "60s"
        }
      }
    }

    service {
      provider = "nomad"
      port     = "admin"

      check_restart {
        limit = 2
      }

      check {
        type     = "tcp"
        interval = "10s"
        timeout  = "2s"
      }
    }

    task "app" {
      driver = "docker"
      user   = "1000"
      leader = true

      config {
        image = "x:1"
        ports = ["http"]

        mount {
          type   = "tmpfs"
          target = "/tmp"
        }

        labels {
          a = "b"
        }
      }

      env {
        A = 1
        B = true
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      artifact {
        source      = "https://example.org/x.tgz"
        destination = "local/x"

        options {
          checksum = "md5:1"
        }
      }

      lifecycle {
        hook    = "prestart"
        sidecar = true
      }

      template {
        data        = "{{ key }}"
        destination = "secrets/x.env"
        env         = true
        change_mode = "noop"
      }

      restart {
        attempts = 5
      }

      resources {
        cores      = 2
        memory     = 128
        memory_max = 256
      }

      service {
        provider = "nomad"
        name     = "inner"
      }
    }
  }
}
