// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mapped memory that can be taken away. A mapping's file is the endpoint's, so
 * all of them are in an address space of the endpoint's own, and one call takes
 * every page out of every process. A page fault is a call in flight
 * (passthrough.h): a denial waits for it as long as for any other, and takes
 * the pages out once more after that. One that lasts longer puts nothing in any
 * more:
 *
 * - What the driver's mmap() has put into the page table is saved and taken out
 *   again at once: the area is in no list yet in which a denial would find it.
 *   It comes back by faults. They are saved by offset after the driver's
 * mmap(), which may have changed it; an address would change with mremap().
 * - A page that the driver's fault handler answers is put in by us, under
 *   `faults` and if nothing is denied. What a handler puts in by itself is
 * taken out again where a denial came meanwhile.
 *
 * Our page-table entries are marked as no memory to be counted (VM_PFNMAP): so
 * nobody gets a lasting hold of a page by get_user_pages(), not even by its
 * fast form, which asks only the entry. The saved entries hold the references
 * instead.
 *
 * The driver sees one mapping, however often it is split or inherited: its
 * close() is called once, at the last end or when the device is cut, with a
 * copy of the area. Nobody gets a lasting hold of pages (VM_IO): no
 * get_user_pages.
 */
#include "compat.h"
#include "passthrough.h"

#include <linux/file.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

/* 4 GiB in pages of 4 KiB; the saved entries of more would take too much
 * memory. */
#define PTES_MAX (1UL << 20)

struct saved_pte {
	unsigned long pfn;
	bool is_present;
	bool is_page; /* counted: our reference keeps it */
};

struct tracked_mapping {
	struct vm_operations_struct ops; /* the area's: leads to us */
	struct devns_handle *handle;
	struct list_head link; /* handle->maps */
	const struct vm_operations_struct *real;
	struct vm_area_struct copy; /* what the driver's close() is given */
	unsigned long first;	    /* page offset of ptes[0] */
	unsigned long count;
	struct saved_pte *ptes;
	bool is_filled; /* by the driver's mmap(); else by faults */
	spinlock_t ptes_lock;
	u32 areas;	/* under maps_lock */
	bool is_closed; /* cut: for ever */
};

static struct tracked_mapping *
get_tracked_mapping(const struct vm_area_struct *vma)
{
	return container_of(vma->vm_ops, struct tracked_mapping, ops);
}

/* ---- saved page-table entries */

static void free_saved_ptes(struct tracked_mapping *m)
{
	unsigned long i;

	if (!m->ptes)
		return;
	for (i = 0; i < m->count; i++)
		if (m->ptes[i].is_present && m->ptes[i].is_page)
			put_page(pfn_to_page(m->ptes[i].pfn));
	kvfree(m->ptes);
	m->ptes = NULL;
}

/* Answers whether a page is there. */
static bool save_mapped_pte(struct vm_area_struct *vma, unsigned long address,
			    struct saved_pte *pte)
{
	struct compat_pte at;

	if (compat_pte_find(vma, address, &at))
		return false;
	pte->pfn = at.pfn;
	pte->is_page = !(vma->vm_flags & VM_PFNMAP) && !at.is_special &&
		       pfn_valid(at.pfn);
	pte->is_present = true;
	if (pte->is_page)
		get_page(pfn_to_page(at.pfn));
	compat_pte_release(&at);
	return true;
}

static int save_mapped_ptes(struct tracked_mapping *m,
			    struct vm_area_struct *vma)
{
	unsigned long n = vma_pages(vma);
	unsigned long i;

	if (n > PTES_MAX)
		return -ENOMEM;
	m->first = vma->vm_pgoff;
	m->count = n;
	m->ptes = kvcalloc(n, sizeof(*m->ptes), GFP_KERNEL_ACCOUNT);
	if (!m->ptes)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		m->is_filled |= save_mapped_pte(
			vma, vma->vm_start + i * PAGE_SIZE, &m->ptes[i]);
	if (m->is_filled)
		compat_zap_vma(vma);
	return 0;
}

/* ---- faults */

static bool is_mapping_revoked(const struct tracked_mapping *m)
{
	return READ_ONCE(m->handle->pass->denied) ||
	       READ_ONCE(m->handle->closing) || READ_ONCE(m->is_closed);
}

static vm_fault_t insert_mapped_pfn(const struct tracked_mapping *m,
				    struct vm_fault *vmf, unsigned long pfn)
{
	struct devns_passthrough *p = m->handle->pass;
	vm_fault_t ret = VM_FAULT_SIGBUS;

	/* Set for drivers that put in pages by themselves: not with ours. */
	if (vmf->vma->vm_flags & VM_MIXEDMAP)
		return VM_FAULT_SIGBUS;
	down_read(&p->faults);
	if (!is_mapping_revoked(m))
		ret = vmf_insert_pfn_prot(vmf->vma, vmf->address, pfn,
					  vmf->vma->vm_page_prot);
	up_read(&p->faults);
	return ret;
}

/* The handler has put in pages by itself, of this area. */
static vm_fault_t recheck_inserted_pages(const struct tracked_mapping *m,
					 const struct vm_fault *vmf,
					 vm_fault_t ret)
{
	struct inode *inode = m->handle->pass->inode;
	const struct vm_area_struct *vma = vmf->vma;

	if (!is_mapping_revoked(m))
		return ret;
	unmap_mapping_range(inode->i_mapping,
			    (loff_t)vma->vm_pgoff << PAGE_SHIFT,
			    vma->vm_end - vma->vm_start, 1);
	return VM_FAULT_SIGBUS;
}

static vm_fault_t fault_saved_pte(struct tracked_mapping *m,
				  struct vm_fault *vmf)
{
	unsigned long i = vmf->pgoff - m->first;

	if (i >= m->count || !m->ptes[i].is_present)
		return VM_FAULT_SIGBUS;
	return insert_mapped_pfn(m, vmf, m->ptes[i].pfn);
}

/*
 * Keeps the page of a driver's fault handler, with its reference, as long as
 * the mapping: no page table counts it. Another page at the same place would
 * have to be taken out of all of them first.
 */
static bool save_fault_page(struct tracked_mapping *m, unsigned long i,
			    struct page *page)
{
	struct saved_pte *pte;
	bool fits;

	if (i >= m->count)
		return false;
	pte = &m->ptes[i];
	spin_lock(&m->ptes_lock);
	fits = !pte->is_present || pte->pfn == page_to_pfn(page);
	if (!pte->is_present) {
		get_page(page);
		pte->pfn = page_to_pfn(page);
		pte->is_page = true;
		pte->is_present = true;
	}
	spin_unlock(&m->ptes_lock);
	return fits;
}

static vm_fault_t fault_driver_page(struct tracked_mapping *m,
				    struct vm_fault *vmf)
{
	struct page *page;
	bool is_locked;
	vm_fault_t ret;

	if (!m->real || !m->real->fault)
		return VM_FAULT_SIGBUS;
	vmf->page = NULL;
	ret = m->real->fault(vmf);
	/* It has let go of mmap_lock: the area and m may be gone. */
	if (ret & VM_FAULT_RETRY)
		return ret;
	page = vmf->page;
	if (ret & VM_FAULT_NOPAGE)
		return recheck_inserted_pages(m, vmf, ret);
	if (ret & (VM_FAULT_ERROR | VM_FAULT_DONE_COW) || !page)
		return ret;
	is_locked = ret & VM_FAULT_LOCKED;
	ret = VM_FAULT_SIGBUS;
	if (save_fault_page(m, vmf->pgoff - m->first, page))
		ret = insert_mapped_pfn(m, vmf, page_to_pfn(page));
	if (is_locked)
		unlock_page(page);
	put_page(page);
	vmf->page = NULL;
	return ret;
}

static vm_fault_t pass_vma_fault(struct vm_fault *vmf)
{
	struct tracked_mapping *m = get_tracked_mapping(vmf->vma);
	struct devns_handle *h = m->handle;
	vm_fault_t ret = VM_FAULT_SIGBUS;
	struct devns_call call;

	/* Outlasts the area and its file where the handler answers RETRY. */
	devns_handle_get(h);
	if (!devns_inflight_begin(h, &call, false)) {
		if (is_mapping_revoked(m))
			ret = VM_FAULT_SIGBUS;
		else if (m->is_filled)
			ret = fault_saved_pte(m, vmf);
		else
			ret = fault_driver_page(m, vmf);
		devns_inflight_end(&call, 0);
	}
	devns_handle_put(h);
	return ret;
}

/* ---- areas come and go */

static void count_mapped_areas(struct tracked_mapping *m, int change)
{
	m->areas += change;
	if (!m->is_closed)
		atomic_add(change, &m->handle->pass->ep->mappings);
}

/* By split, fork or mremap. */
static void pass_vma_open(struct vm_area_struct *vma)
{
	struct tracked_mapping *m = get_tracked_mapping(vma);

	mutex_lock(&m->handle->maps_lock);
	count_mapped_areas(m, 1);
	mutex_unlock(&m->handle->maps_lock);
}

static void close_driver_mapping(struct tracked_mapping *m)
{
	if (m->real && m->real->close)
		m->real->close(&m->copy);
}

static void pass_vma_close(struct vm_area_struct *vma)
{
	struct tracked_mapping *m = get_tracked_mapping(vma);
	struct devns_handle *h = m->handle;
	bool last;

	mutex_lock(&h->maps_lock);
	count_mapped_areas(m, -1);
	last = !m->areas;
	if (last) {
		list_del(&m->link);
		if (!m->is_closed)
			close_driver_mapping(m);
	}
	mutex_unlock(&h->maps_lock);
	if (!last)
		return;
	free_saved_ptes(m);
	mmdrop(m->copy.vm_mm);
	kfree(m);
}

void devns_mapping_close(struct devns_handle *h)
{
	struct tracked_mapping *m;

	mutex_lock(&h->maps_lock);
	list_for_each_entry (m, &h->maps, link) {
		if (m->is_closed)
			continue;
		atomic_sub(m->areas, &h->pass->ep->mappings);
		WRITE_ONCE(m->is_closed, true);
		close_driver_mapping(m);
	}
	mutex_unlock(&h->maps_lock);
}

/* ---- mmap */

static int check_mmap_allowed(const struct devns_passthrough *p,
			      const struct file *real,
			      const struct vm_area_struct *vma)
{
	/* Its handlers might take our file in the area for its own. */
	if (!p->ioctl_rules->maps)
		return -ENODEV;
	/* A private copy would stay when the page is gone. */
	if ((vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE)
		return -EINVAL;
	/* A driver with an address space of its own takes pages out of that. */
	if (real->f_mapping != file_inode(real)->i_mapping)
		return -ENODEV;
	return 0;
}

/* What the driver made of the area that we could not take away again. */
static bool is_unrevocable_area(const struct vm_area_struct *vma,
				const struct file *file)
{
	const struct vm_operations_struct *ops = vma->vm_ops;

	if (vma->vm_file != file)
		return true;
	if ((vma->vm_flags & VM_PFNMAP) && (vma->vm_flags & VM_MIXEDMAP))
		return true;
	return ops && (ops->page_mkwrite || ops->pfn_mkwrite);
}

static void init_tracked_mapping(struct tracked_mapping *m,
				 struct devns_handle *h, struct file *real,
				 struct vm_area_struct *vma)
{
	m->handle = h;
	m->real = vma->vm_ops;
	m->areas = 1;
	m->ops.open = pass_vma_open;
	m->ops.close = pass_vma_close;
	m->ops.fault = pass_vma_fault;
	memcpy(&m->copy, vma, sizeof(m->copy));
	/* The driver's close() may come when the process is long gone. */
	mmgrab(m->copy.vm_mm);
	m->copy.vm_file = real;
	vma->vm_ops = &m->ops;
	spin_lock_init(&m->ptes_lock);
	mutex_lock(&h->maps_lock);
	list_add(&m->link, &h->maps);
	mutex_unlock(&h->maps_lock);
	atomic_inc(&h->pass->ep->mappings);
}

/* From here on, all entries are ours, but of drivers that mix. */
static int claim_page_entries(const struct tracked_mapping *m,
			      struct vm_area_struct *vma, bool close_on_deny)
{
	if (!m->is_filled && vma->vm_flags & VM_MIXEDMAP)
		/* Counted pages can be held, which a cut makes harmless. */
		return close_on_deny ? 0 : -ENODEV;
	compat_vm_flags_clear(vma, VM_MIXEDMAP);
	compat_vm_flags_set(vma, VM_PFNMAP);
	return 0;
}

static int map_real_file(struct file *file, struct vm_area_struct *vma,
			 struct devns_call *call)
{
	const struct file_operations *f = READ_ONCE(call->real->f_op);
	const struct devns_passthrough *p = call->handle->pass;
	const struct vm_operations_struct *ops;
	struct tracked_mapping *m;
	int err = f->mmap ? check_mmap_allowed(p, call->real, vma) : -ENODEV;

	if (err)
		return err;
	m = kzalloc(sizeof(*m), GFP_KERNEL_ACCOUNT);
	if (!m)
		return -ENOMEM;
	/* The driver finds its own file in the area, as it would without us. */
	vma->vm_file = get_file(call->real);
	err = f->mmap(call->real, vma);
	if (err)
		goto free;
	err = -ENODEV;
	if (is_unrevocable_area(vma, call->real))
		goto close;
	compat_vm_flags_set(vma, VM_IO | VM_DONTEXPAND);
	err = save_mapped_ptes(m, vma);
	if (!err)
		err = claim_page_entries(m, vma, p->close_on_deny);
	if (err)
		goto undo;
	init_tracked_mapping(m, call->handle, call->real, vma);
	fput(vma->vm_file);
	vma->vm_file = file;
	return 0;
undo:
	free_saved_ptes(m);
close:
	ops = vma->vm_ops;
	if (ops && ops->close)
		ops->close(vma);
	vma->vm_ops = NULL;
free:
	fput(vma->vm_file);
	vma->vm_file = file;
	kfree(m);
	return err;
}

int devns_mapping_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct devns_call call;
	/* No driver's open() under mmap_lock. */
	int err = devns_inflight_begin(file->private_data, &call, false);

	if (err)
		return err;
	return devns_inflight_end(&call, map_real_file(file, vma, &call));
}
