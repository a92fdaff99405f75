# PostgreSQL in Docker. Its data lies in the allocation's own sticky disk, which moves with it; no folder of a host is used.
# The image wants POSTGRES_PASSWORD in the environment, and ends at once without it.

variable "service_id" {
  type        = string
  default     = "postgresql"
  description = "Names the job."
}

variable "service_name" {
  type    = string
  default = "postgresql"
}

variable "tenant_id" {
  type    = string
  default = ""
}

variable "image" {
  type    = string
  default = "postgres:17-alpine"
}

variable "ports" {
  type        = list(number)
  default     = [5432]
  description = "The first is the port that the server listens on in its container."
}

variable "environment" {
  type    = map(string)
  default = {}
}

variable "DB_NAME" {
  type        = string
  default     = ""
  description = "The database to create. Empty: what the environment or the image says."
}

variable "DB_USER" {
  type        = string
  default     = ""
  description = "The superuser to create. Empty: what the environment or the image says."
}

variable "cpu" {
  type    = number
  default = 500
}

variable "memory" {
  type    = number
  default = 512
}

variable "disk" {
  type    = number
  default = 1024
}

job "postgresql" {
  id   = var.service_id
  name = var.service_id
  type = "service"

  meta {
    service_name = var.service_name
    tenant_id    = var.tenant_id
  }

  group "main" {
    count = 1

    network {
      port "db" {
        to = element(concat(var.ports, [5432]), 0)
      }
    }

    ephemeral_disk {
      size    = var.disk
      sticky  = true
      migrate = true
    }

    update {
      max_parallel      = 1
      health_check      = "checks"
      min_healthy_time  = "5s"
      healthy_deadline  = "3m"
      progress_deadline = "5m"
    }

    # One restart and one new allocation, then the deployment fails and says why, instead of trying for ever.
    restart {
      attempts = 1
      interval = "5m"
      delay    = "5s"
      mode     = "fail"
    }

    reschedule {
      attempts       = 1
      interval       = "1h"
      delay          = "5s"
      delay_function = "constant"
      unlimited      = false
    }

    service {
      name     = "postgresql-${var.service_id}"
      port     = "db"
      provider = "nomad"

      check {
        type     = "tcp"
        interval = "5s"
        timeout  = "2s"
      }
    }

    task "app" {
      driver = "docker"

      config {
        image = var.image
        ports = ["db"]
      }

      env = merge(
        { PGDATA = "/alloc/data/pgdata", PGPORT = format("%d", element(concat(var.ports, [5432]), 0)) },
        var.environment,
        { for name, value in { POSTGRES_DB = var.DB_NAME, POSTGRES_USER = var.DB_USER } : name => value if value != "" },
      )

      # Time for a checkpoint.
      kill_timeout = "30s"

      logs {
        max_files     = 2
        max_file_size = 10
      }

      resources {
        cpu    = var.cpu
        memory = var.memory
      }
    }
  }
}
